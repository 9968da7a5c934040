// Refreshes with tuf-js and downloads targets. Arguments: the folder where tuf-js is installed, base address, client's folder, paths.
// Prints a JSON object: path to SHA-256 of what was downloaded, or null for a path that no role lists.
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const [installed, base, folder, ...paths] = process.argv.slice(2);
const { Updater } = createRequire(join(installed, 'package.json'))('tuf-js');
const targetDir = join(folder, 'targets');
mkdirSync(targetDir, { recursive: true });
const updater = new Updater({
    metadataDir: join(folder, 'metadata'),
    metadataBaseUrl: `${base}metadata`,
    targetDir,
    targetBaseUrl: `${base}targets`,
});
await updater.refresh();
const found = {};
for (const path of paths) {
    const target = await updater.getTargetInfo(path);
    const file = target && (await updater.downloadTarget(target, join(targetDir, path.replaceAll('/', '-'))));
    found[path] = file ? createHash('sha256').update(readFileSync(file)).digest('hex') : null;
}
console.log(JSON.stringify(found));
