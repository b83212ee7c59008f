// What @trustnxt/c2pa-ts says of the manifests in files.
//
//     node c2pa_ts.mjs INSTALLED FILE...
//
// INSTALLED is the folder whose node_modules has it. Prints one JSON line per file: state is "holds" or "invalid",
// "absent" where there is no manifest, and "unread" where it has no reader for the format. It checks no chains of
// certificates, so that nothing is trusted to it; its failures are in "failures".

import { webcrypto } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

// Node.js 18 has it, under no name.
globalThis.crypto ??= webcrypto;

const [installed, ...files] = process.argv.slice(2);
const library = name => import(pathToFileURL(resolve(installed, 'node_modules/@trustnxt/c2pa-ts/dist', name, 'index.js')));
const { JPEG, PNG } = await library('asset');
const { SuperBox } = await library('jumbf');
const { ManifestStore, ValidationResult } = await library('manifest');

for (const file of files) {
    console.log(JSON.stringify({ file, ...(await read(await readFile(file))) }));
}

async function read(bytes) {
    const format = [JPEG, PNG].find(format => format.canRead(bytes));
    if (!format) return { state: 'unread' };
    let result;
    try {
        const asset = new format(bytes);
        const store = asset.getManifestJUMBF();
        if (!store) return { state: 'absent' };
        result = await ManifestStore.read(SuperBox.fromBuffer(store)).validate(asset);
    } catch (error) {
        result = ValidationResult.fromError(error);
    }
    const failures = result.toRepresentation().filter(entry => !entry.success).map(entry => entry.code);
    return { state: result.isValid ? 'holds' : 'invalid', failures };
}
