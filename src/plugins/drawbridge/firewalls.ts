/** Opens what foreign firewalls would close to a bridge; returns warnings. */
export async function openFirewalls(_bridge: string): Promise<string[]> {
  return [];
}

/** Takes our accepts out of foreign firewalls with the bridge's last container; returns warnings. */
export async function closeFirewalls(_bridge: string, _key: string): Promise<string[]> {
  return [];
}

/** Names accepts of ours that are missing or no longer first. */
export async function checkFirewalls(_bridge: string): Promise<string[]> {
  return [];
}
