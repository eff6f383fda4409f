// Manifests of custom resources, as JSON on standard input, against the schemas that their projects publish.
import { text } from 'node:stream/consumers';

const PACKAGES = {
  'cert-manager.io': 'cert-manager',
  'gateway.envoyproxy.io': 'envoy-gateway',
  'gateway.networking.k8s.io': 'gateway-api',
  'monitoring.coreos.com': 'prometheus-operator',
  'networking.istio.io': 'istio',
};

const wrong = [];
for (const manifest of JSON.parse(await text(process.stdin))) {
  const { apiVersion, kind } = manifest;
  const name = PACKAGES[apiVersion.split('/')[0]];
  const module = await import(`@kubernetes-models/${name}/${apiVersion}/${kind}`);
  try {
    new module[kind](manifest).validate();
  } catch (error) {
    wrong.push(`${kind}/${manifest.metadata.name}: ${error.message}`);
  }
}
console.log(JSON.stringify(wrong));
