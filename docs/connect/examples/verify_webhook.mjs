// Check the signature of a webhook: node verify_webhook.mjs SECRET ID TIMESTAMP SIGNATURES < BODY
import { createHmac, timingSafeEqual } from "node:crypto";
import { readFileSync } from "node:fs";

/** Return the message. Throws unless it was signed with the secret within five minutes. `body` is a Buffer. */
export function verify(secret, headers, body) {
  const timestamp = headers["webhook-timestamp"];
  if (Math.abs(Date.now() / 1000 - Number(timestamp)) > 300) throw new Error("The message is too old.");
  const key = Buffer.from(secret.replace(/^whsec_/, ""), "base64");
  const hmac = createHmac("sha256", key).update(`${headers["webhook-id"]}.${timestamp}.`).update(body);
  const expected = Buffer.from(`v1,${hmac.digest("base64")}`);
  // Several, separated by spaces, while the secret is being changed.
  const given = headers["webhook-signature"].split(" ").map((each) => Buffer.from(each));
  const isRight = given.some((each) => each.length === expected.length && timingSafeEqual(each, expected));
  if (!isRight) throw new Error("The signature is wrong.");
  return JSON.parse(body);
}

const [secret, id, timestamp, signature] = process.argv.slice(2);
const headers = { "webhook-id": id, "webhook-timestamp": timestamp, "webhook-signature": signature };
const message = verify(secret, headers, readFileSync(0));
console.log(message.type, JSON.stringify(message.data));
