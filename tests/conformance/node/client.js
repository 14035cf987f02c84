// What a program of Node.js does with a cluster; prints one JSON object of what it saw.
import * as k8s from '@kubernetes/client-node';

const namespace = process.argv[2];
const config = new k8s.KubeConfig();
config.loadFromDefault();
const core = config.makeApiClient(k8s.CoreV1Api);
const apps = config.makeApiClient(k8s.AppsV1Api);
const seen = [];
const saw = {};

// The informer gets as far as `count` events, or the test gives up on this program.
async function until(count) {
  while (seen.length < count) await new Promise((done) => setTimeout(done, 20));
}

const configMap = (name, data) => ({ namespace, body: { metadata: { name }, data } });
await core.createNamespacedConfigMap(configMap('before', { x: '0' }));

const labelSelector = 'kind!=other';
const list = () => core.listNamespacedConfigMap({ namespace, labelSelector });
const path = `/api/v1/namespaces/${namespace}/configmaps`;
const informer = k8s.makeInformer(config, path, list, labelSelector);
for (const event of ['add', 'update', 'delete']) {
  informer.on(event, ({ metadata, data }) => {
    if (metadata.name !== 'kube-root-ca.crt') seen.push(`${event} ${metadata.name} ${data.x}`);
  });
}
let stopped = false;  // the client tells of its own end as an error
informer.on('error', (error) => { if (!stopped) throw error; });
await informer.start();
await until(1);

const made = await core.createNamespacedConfigMap(configMap('one', { x: '1' }));
saw.created = made.metadata.creationTimestamp instanceof Date;
await until(2);
await core.patchNamespacedConfigMap(
  { namespace, name: 'one', body: [{ op: 'replace', path: '/data/x', value: '2' }] },
);
await until(3);
await core.patchNamespacedConfigMap(
  { namespace, name: 'one', body: { data: { x: '3' } } },
  k8s.setHeaderOptions('Content-Type', k8s.PatchStrategy.MergePatch),
);
await until(4);
saw.cached = informer.get('one', namespace).data.x;
saw.listed = (await list()).items.map((item) => item.metadata.name)
  .filter((name) => name !== 'kube-root-ca.crt');
await core.deleteNamespacedConfigMap({ namespace, name: 'one' });
await until(5);
stopped = true;
await informer.stop();
saw.seen = seen;

try {
  await core.readNamespacedConfigMap({ namespace, name: 'one' });
} catch (error) {
  saw.missing = [error.code, JSON.parse(error.body).reason];
}

const labels = { app: 'web' };
await apps.createNamespacedDeployment({ namespace, body: {
  metadata: { name: 'web' },
  spec: {
    replicas: 2, selector: { matchLabels: labels },
    template: { metadata: { labels }, spec: { containers: [{ name: 'main', image: 'nginx:1' }] } },
  },
} });
saw.strategy = (await apps.readNamespacedDeployment({ namespace, name: 'web' })).spec.strategy.type;
const objects = k8s.KubernetesObjectApi.makeApiClient(config);
const applied = await objects.patch(
  { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'applied', namespace }, data: { x: '9' } },
  undefined, undefined, 'node', true, k8s.PatchStrategy.ServerSideApply,
);
saw.applied = applied.metadata.managedFields.map((entry) => `${entry.manager} ${entry.operation}`);
console.log(JSON.stringify(saw));
