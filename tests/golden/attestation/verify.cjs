// What sigstore-js says of the bundles beside this file, and of the same ones with a byte changed.
//
//   npm install --prefix /tmp/sigstore @sigstore/verify@4.1.3
//   NODE_PATH=/tmp/sigstore/node_modules node tests/golden/attestation/verify.cjs
const crypto = require('node:crypto');
const fs = require('node:fs');
const path = require('node:path');
const { bundleFromJSON } = require('@sigstore/bundle');
const { toSignedEntity, toTrustMaterial, Verifier } = require('@sigstore/verify');

const read = (name) => fs.readFileSync(path.join(__dirname, name), 'utf8');

function said(json, key) {
  const hint = crypto.createHash('sha256').update(key.export({ format: 'der', type: 'spki' })).digest('base64');
  const select = (asked) => {
    if (asked !== hint) throw new Error(`asked for the key ${asked}, there is ${hint}`);
    return { publicKey: key, validFor: () => true };
  };
  const trusted = toTrustMaterial({ certificateAuthorities: [], timestampAuthorities: [], tlogs: [], ctlogs: [] }, select);
  // No log and no authority for timestamps has them.
  const verifier = new Verifier(trusted, { tlogThreshold: 0, ctlogThreshold: 0, timestampThreshold: 0 });
  try {
    verifier.verify(toSignedEntity(bundleFromJSON(json)));
    return 'verified';
  } catch (error) {
    return `${error.code ?? error.name}: ${error.message}`;
  }
}

for (const name of ['p256', 'ed25519']) {
  const key = crypto.createPublicKey(read(`${name}.pub`));
  const bundle = JSON.parse(read(`${name}.bundle.json`));
  const changed = structuredClone(bundle);
  const payload = Buffer.from(changed.dsseEnvelope.payload, 'base64');
  changed.dsseEnvelope.payload = Buffer.from(payload.toString().replace('PASSED', 'PASSeD')).toString('base64');
  console.log(`${name}: ${said(bundle, key)}; changed: ${said(changed, key)}`);
}
