/** IP addresses as the bytes that stand in messages and system calls. */

/** Four bytes, or sixteen; `address` is known to be one. */
export function addressBytes(address: string): number[] {
  return address.includes(':') ? ipv6Bytes(address) : ipv4Bytes(address);
}

function ipv4Bytes(address: string): number[] {
  return address.split('.').map(Number);
}

/** RFC 4291 section 2.2. */
function ipv6Bytes(address: string): number[] {
  const [head = [], tail = []] = address.split('::').map(groupBytes);
  return [...head, ...Array.from({ length: 16 - head.length - tail.length }, () => 0), ...tail];
}

function groupBytes(groups: string): number[] {
  if (groups === '') return [];
  return groups.split(':').flatMap((group) => {
    if (group.includes('.')) return ipv4Bytes(group);
    const value = Number.parseInt(group, 16);
    return [value >> 8, value & 0xff];
  });
}
