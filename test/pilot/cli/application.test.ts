import { expect, test } from 'vitest';
import { Application, applicationEnv } from '../../../pilot/cli/application.ts';

test('the application keeps its environment and its own NO_PROXY entries', () => {
  const env = applicationEnv({ HOME: '/h', NO_PROXY: 'db.example' }, { appPort: 8080, outboundPort: 15_001 });
  expect(env).toEqual({
    HOME: '/h',
    PORT: '8080',
    HEDDLE_OUTBOUND: 'http://127.0.0.1:15001',
    HTTP_PROXY: 'http://127.0.0.1:15001',
    http_proxy: 'http://127.0.0.1:15001',
    NO_PROXY: 'db.example,localhost,127.0.0.1',
    no_proxy: 'db.example,localhost,127.0.0.1',
  });
});

test('a pure client keeps its PORT', () => {
  expect(applicationEnv({ PORT: '1' }, { appPort: undefined, outboundPort: 2 })['PORT']).toBe('1');
});

test('an application whose connections are intercepted is told of no sidecar', () => {
  expect(applicationEnv({ HOME: '/h' }, { appPort: 8080, outboundPort: undefined })).toEqual({
    HOME: '/h',
    PORT: '8080',
  });
});

test('exit codes are those of a shell', async () => {
  const run = (code: string): Promise<number> => new Application([process.execPath, '-e', code], process.env).run();
  expect(await run('process.exit(9)')).toBe(9);
  expect(await run('process.kill(process.pid, "SIGTERM")')).toBe(143);
});

test('a program that is not there is 127, one that cannot be executed 126', async () => {
  await expect(new Application(['/no/such'], {}).run()).rejects.toMatchObject({
    exitCode: 127,
    message: '/no/such: command not found',
  });
  await expect(new Application(['/'], {}).run()).rejects.toMatchObject({ exitCode: 126 });
});

test('a signal for an application that has ended is nothing', async () => {
  const application = new Application([process.execPath, '-e', ''], process.env);
  application.signal('SIGTERM');
  await application.run();
  application.signal('SIGTERM');
});
