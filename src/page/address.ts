import { useEffect, useState } from 'preact/hooks';

/** What the address shows: a view, and its filters. */
export interface Address {
  readonly view: string;
  readonly filters: URLSearchParams;
}

/** The address of a view, for a link. */
export function addressOf(view: string, filters: Readonly<Record<string, string>> = {}): string {
  const given = Object.entries(filters).filter(([, value]) => value !== '');
  const query = new URLSearchParams(given).toString();
  return `#/${view}${query === '' ? '' : `?${query}`}`;
}

/** Goes to an address. Filters that change take the place of those before them. */
export function go(view: string, filters: Readonly<Record<string, string>>): void {
  history.replaceState(null, '', addressOf(view, filters));
  dispatchEvent(new HashChangeEvent('hashchange'));
}

/** The address as it is now. */
export function useAddress(): Address {
  const [address, set] = useState(read);
  useEffect(() => {
    const change = (): void => set(read());
    addEventListener('hashchange', change);
    return () => removeEventListener('hashchange', change);
  }, []);
  return address;
}

function read(): Address {
  const [path = '', query = ''] = location.hash.replace(/^#\//, '').split('?');
  return { view: path === '' ? 'overview' : path, filters: new URLSearchParams(query) };
}
