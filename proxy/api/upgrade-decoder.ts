/** Decodes which protocols requests may switch to: `upgrade_configs` of a connection manager and of a route. */
import type { HttpConnectionManager_UpgradeConfig, RouteAction_UpgradeConfig } from './envoy.gen.ts';
import type { Fields } from './fields.ts';
import type { UpgradeConfigs } from './route.ts';

/** Both messages have these fields; filters of an upgrade's own, and CONNECT, are not supported. */
type UpgradeConfig = Pick<HttpConnectionManager_UpgradeConfig & RouteAction_UpgradeConfig, 'upgrade_type' | 'enabled'>;
interface Upgradable {
  upgrade_configs?: UpgradeConfig[];
}

export function readUpgradeConfigs(fields: Fields<Upgradable>): UpgradeConfigs {
  const upgrades = new Map<string, boolean>();
  fields.list('upgrade_configs', (upgrade: Fields<UpgradeConfig>) => {
    const type = upgrade.name('upgrade_type').toLowerCase();
    if (type === 'connect') upgrade.fail('upgrade_type', 'CONNECT is not supported');
    if (upgrades.has(type)) upgrade.fail('upgrade_type', `must be unique, got ${type} twice`);
    upgrades.set(type, upgrade.flag('enabled', true));
  });
  return upgrades;
}
