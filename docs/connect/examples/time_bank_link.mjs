// The part of an app's server that opens the time bank: node time_bank_link.mjs BASE_URL PORT
// CLIENT_ID and CLIENT_SECRET are what the registration of the app answered with.

import { createServer } from "node:http";

const [, , baseUrl, port] = process.argv;
const app = { client_id: process.env.CLIENT_ID, client_secret: process.env.CLIENT_SECRET };

/** Ask for a link that opens the person's time bank once; return the status and content to answer with. */
async function linkFor(authorization) {
  try {
    const response = await fetch(`${baseUrl}/v1/time-bank/app-links`, {
      method: "POST",
      headers: { Authorization: authorization, "Content-Type": "application/json" },
      body: JSON.stringify(app),
      signal: AbortSignal.timeout(10_000),
    });
    if (response.ok) return [200, { url: (await response.json()).url }];
    if (response.status === 401) return [401, { error: "sign in again" }]; // or the secret was changed
    return [502, { error: `the time bank answered ${response.status}` }];
  } catch {
    return [502, { error: "the time bank cannot be reached" }];
  }
}

/** Answer POST /time-bank of the app, which sends the person's session token as Authorization. */
createServer(async (request, response) => {
  const isOurs = request.method === "POST" && request.url === "/time-bank";
  const [status, content] = isOurs
    ? await linkFor(request.headers.authorization ?? "")
    : [404, { error: "not found" }];
  const headers = { "Content-Type": "application/json", "Cache-Control": "no-store" }; // it opens once
  response.writeHead(status, headers).end(JSON.stringify(content));
}).listen(Number(port), "127.0.0.1");
