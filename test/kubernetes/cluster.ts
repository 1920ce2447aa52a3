/**
 * A Kubernetes API in a private host: etcd and kube-apiserver (programs.sh), without kubelets. Pods are objects whose
 * network the test makes by calling the plugin as a kubelet's runtime does.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { startAgent, until, type Agent } from '../agent/process/agent.ts';
import { pluginFolder } from '../helpers/executable.ts';
import type { Json } from '../helpers/host.ts';
import type { Container, Daemon, Host } from '../helpers/private-host.ts';

const programs = join(import.meta.dirname, '../.cache/kubernetes-v1.37.2/bin');

/** Why there can be no API here; undefined when there can. */
export const lacking = ['etcd', 'kube-apiserver'].some((name) => !existsSync(`${programs}/${name}`))
  ? '"sh test/kubernetes/programs.sh" has not built kube-apiserver'
  : undefined;

const folder = '/run/kube';
const admin = 'admin-token';
const account = 'account-token';

type User = typeof admin | typeof account;

export interface Cluster {
  readonly host: Host;
  /** One request; anything but success is an error. */
  send(method: string, path: string, body?: Json, type?: string): Promise<Json>;
  /** Creates an object at the path of its kind. */
  create(path: string, ...objects: readonly Json[]): Promise<void>;
  stopApi(): Promise<void>;
  startApi(): Promise<void>;
}

/** Starts an API in a host; the caller ends it with the host. */
export async function startCluster(host: Host): Promise<Cluster> {
  await host.sh(pki, { timeout: 60_000 });
  await host.spawn(
    [
      `${programs}/etcd`,
      '--data-dir',
      '/run/etcd',
      '--listen-client-urls',
      'http://127.0.0.1:2379',
      '--advertise-client-urls',
      'http://127.0.0.1:2379',
      '--listen-peer-urls',
      'http://127.0.0.1:2380',
      '--unsafe-no-fsync',
      '--log-level',
      'warn',
    ],
    { env },
  );
  let api: Daemon | undefined;
  const cluster: Cluster = {
    host,
    send: async (method, path, body, type) => {
      const [answer] = await talk(host, [{ method, path, body, type }]);
      return answer ?? {};
    },
    create: async (path, ...objects) => {
      await talk(
        host,
        objects.map((body) => ({ method: 'POST', path, body })),
      );
    },
    startApi: async () => {
      api = await host.spawn([`${programs}/kube-apiserver`, ...apiArguments], { env });
      await until(async () => {
        if (api !== undefined && !(await api.running()))
          throw new Error(`kube-apiserver ended: ${(await host.run(['tail', '-n', '5', api.log])).slice(0, 2000)}`);
        return isReady(host);
      }, 150_000);
    },
    stopApi: async () => {
      await api?.stop(9);
    },
  };
  await cluster.startApi();
  await grantAccount(cluster);
  return cluster;
}

/** What conf/kubernetes gives the account of the agent, as `kubectl apply` does. */
async function grantAccount(cluster: Cluster): Promise<void> {
  const text = readFileSync(join(import.meta.dirname, '../../conf/kubernetes/account.yaml'), 'utf8');
  for (const document of parseAllDocuments(text)) {
    const object = document.toJS() as Json;
    await cluster.create(pathOf(object['kind'] as string), object);
  }
}

function pathOf(kind: string): string {
  if (kind === 'ServiceAccount') return '/api/v1/namespaces/kube-system/serviceaccounts';
  return `/apis/rbac.authorization.k8s.io/v1/${kind.toLowerCase()}s`;
}

/** Status of the answer to a request of the agent's account. */
export async function askAsAccount(host: Host, path: string): Promise<number> {
  return (await answersTo(host, [{ method: 'GET', path }], account))[0]?.status ?? 0;
}

/** The agent of a node of the cluster, by the kubeconfig of its account. */
export function startNodeAgent(
  host: Host,
  args: readonly string[] = [],
  env: Record<string, string> = {},
): Promise<Agent> {
  return startAgent(
    host,
    [
      '--kubernetes',
      '--node',
      'node1',
      '--pod-networks',
      '10.244.0.0/16,fd00:244::/48',
      '--log-level',
      'debug',
      ...args,
    ],
    { KUBECONFIG: `${folder}/account.kubeconfig`, ...env },
    30_000,
  );
}

export interface PodOptions {
  readonly labels?: Readonly<Record<string, string>>;
  readonly ports?: readonly Json[];
  /** Of a pod elsewhere: what its node says. */
  readonly addresses?: readonly string[];
  readonly node?: string;
  readonly hostNetwork?: boolean;
}

/** A Pod object; with addresses as one that runs. */
export async function makePod(
  cluster: Cluster,
  namespace: string,
  name: string,
  options: PodOptions = {},
): Promise<Json> {
  const { labels = {}, ports = [], addresses, node = 'node1', hostNetwork = false } = options;
  const path = `/api/v1/namespaces/${namespace}/pods`;
  const pod = await cluster.send('POST', path, {
    metadata: { name, labels },
    spec: { nodeName: node, hostNetwork, containers: [{ name: 'main', image: 'none', ports }] },
  });
  if (addresses !== undefined) await tellAddresses(cluster, namespace, name, addresses);
  return pod;
}

/** What a kubelet writes when the pod has its network. */
async function tellAddresses(
  cluster: Cluster,
  namespace: string,
  name: string,
  addresses: readonly string[],
): Promise<void> {
  const status = { phase: 'Running', podIP: addresses[0], podIPs: addresses.map((ip) => ({ ip })) };
  await cluster.send('PATCH', `/api/v1/namespaces/${namespace}/pods/${name}/status`, { status }, merge);
}

export const merge = 'application/merge-patch+json';

export type RunningPod = Container & { readonly addresses: readonly string[]; readonly uid: string };

/** A pod of this node: its object, and its network by the list that the agent wrote. */
export async function runPod(
  cluster: Cluster,
  namespace: string,
  name: string,
  options: PodOptions = {},
): Promise<RunningPod> {
  const { host } = cluster;
  const { metadata } = await makePod(cluster, namespace, name, options);
  const container = await host.container(`${namespace}-${name}`);
  const uid = (metadata as { uid: string }).uid;
  const added = await host.addChain(await nodeList(host), {
    container,
    args: argsOf({ namespace, name, uid }),
    bin: pluginFolder,
  });
  if (added.error !== undefined) throw new Error(`${added.error['msg']}: ${added.error['details']}`);
  const addresses = ((added.result?.['ips'] ?? []) as { address: string }[]).map(
    ({ address }) => address.split('/')[0] ?? '',
  );
  await tellAddresses(cluster, namespace, name, addresses);
  return { ...container, addresses, uid };
}

/** CNI_ARGS as a kubelet's runtime gives them. */
export function argsOf({ namespace, name, uid }: { namespace: string; name: string; uid: string }): string {
  return `IgnoreUnknown=1;K8S_POD_NAMESPACE=${namespace};K8S_POD_NAME=${name};K8S_POD_UID=${uid}`;
}

export async function nodeList(host: Host): Promise<Json & { cniVersion: string; name: string; plugins: Json[] }> {
  return JSON.parse(await host.run(['cat', '/etc/cni/net.d/10-drawbridge.conflist'])) as never;
}

/** A NetworkPolicy; `spec` as in the API. */
export async function putPolicy(cluster: Cluster, namespace: string, name: string, spec: Json): Promise<void> {
  await cluster.create(policiesOf(namespace), { metadata: { name }, spec });
}

export async function dropPolicy(cluster: Cluster, namespace: string, name: string): Promise<void> {
  await cluster.send('DELETE', `${policiesOf(namespace)}/${name}`);
}

function policiesOf(namespace: string): string {
  return `/apis/networking.k8s.io/v1/namespaces/${namespace}/networkpolicies`;
}

const env = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', GOMAXPROCS: '2', HOME: '/run' };

const apiArguments = [
  '--etcd-servers',
  'http://127.0.0.1:2379',
  '--bind-address',
  '127.0.0.1',
  '--advertise-address',
  '192.0.2.1',
  '--tls-cert-file',
  `${folder}/api.crt`,
  '--tls-private-key-file',
  `${folder}/api.key`,
  '--client-ca-file',
  `${folder}/ca.crt`,
  '--service-cluster-ip-range',
  '10.96.0.0/16,fd00:96::/112',
  '--service-account-issuer',
  'https://kubernetes.default.svc',
  '--service-account-key-file',
  `${folder}/account.pub`,
  '--service-account-signing-key-file',
  `${folder}/account.key`,
  '--token-auth-file',
  `${folder}/tokens.csv`,
  '--authorization-mode',
  'RBAC',
  '--allow-privileged',
  '--enable-priority-and-fairness=false',
  '--disable-admission-plugins',
  'ServiceAccount',
  '--cert-dir',
  '/run/apiserver',
  '--endpoint-reconciler-type',
  'none',
];

/** Keys, certificates, a token for the administrator, and a kubeconfig. */
const pki = `
mkdir -p ${folder}; cd ${folder}
key() { openssl ecparam -name prime256v1 -genkey -noout -out "$1"; }
key ca.key; openssl req -x509 -new -key ca.key -subj /CN=test-ca -days 2 -out ca.crt 2> /dev/null
key api.key; openssl req -new -key api.key -subj /CN=kube-apiserver -out api.csr 2> /dev/null
echo 'subjectAltName=DNS:localhost,IP:127.0.0.1,IP:10.96.0.1' > names
openssl x509 -req -in api.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -extfile names -out api.crt 2> /dev/null
key account.key; openssl ec -in account.key -pubout -out account.pub 2> /dev/null
echo '${admin},admin,admin,"system:masters"' > tokens.csv
echo '${account},system:serviceaccount:kube-system:drawbridge,account' >> tokens.csv
cat > account.kubeconfig <<EOF
apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: "https://127.0.0.1:6443", certificate-authority: ${folder}/ca.crt}}]
users: [{name: u, user: {token: ${account}}}]
contexts: [{name: x, context: {cluster: c, user: u}}]
current-context: x
EOF
`;

interface ApiRequest {
  readonly method: string;
  readonly path: string;
  readonly body?: Json | undefined;
  readonly type?: string | undefined;
}

async function talk(host: Host, requests: readonly ApiRequest[]): Promise<Json[]> {
  const answers = await answersTo(host, requests, admin);
  const failed = answers.find(({ status }) => status >= 300);
  if (failed !== undefined)
    throw new Error(`The API answers ${failed.status}: ${JSON.stringify(failed.body).slice(0, 500)}`);
  return answers.map(({ body }) => body);
}

interface ApiAnswer {
  readonly status: number;
  readonly body: Json;
}

async function answersTo(host: Host, requests: readonly ApiRequest[], user: User): Promise<ApiAnswer[]> {
  const printed = await host.run(
    ['python3', join(import.meta.dirname, 'api.py'), '127.0.0.1', '6443', `${folder}/ca.crt`, user],
    { input: requests.map((request) => `${JSON.stringify(request)}\n`).join(''), timeout: 60_000 },
  );
  return printed
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as ApiAnswer);
}

async function isReady(host: Host): Promise<boolean> {
  try {
    await talk(host, [
      { method: 'GET', path: '/readyz' },
      { method: 'GET', path: '/api/v1/namespaces/default' },
    ]);
    return true;
  } catch {
    return false;
  }
}
