// What an application's code in TypeScript looks like: names and types come from the generated file.
import type { components, operations } from "./api";

type Lookup = operations["find_nearest"];
type Answer = Lookup["responses"][200]["content"]["application/json"];

export const patient: Lookup["parameters"]["query"] = { lat: 30.2835, lon: 120.1, limit: 5 };

export function places(answer: Answer): (string | null)[] {
  return answer.devices.map((device) => device.place.zh);
}

export type Problem = components["schemas"]["Problem"];
