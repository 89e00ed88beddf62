// What the pages for inspectors keep on the phone: checks that wait to be sent (`queue`), and drafts (`kept`).
const store = new Promise((resolve, reject) => {
  const opening = indexedDB.open("aed", 1);
  opening.onupgradeneeded = () => {
    opening.result.createObjectStore("queue", {keyPath: "key"});
    opening.result.createObjectStore("kept", {keyPath: "name"});
  };
  opening.onsuccess = () => resolve(opening.result);
  opening.onerror = () => reject(opening.error);
});
export async function inStore(name, mode, run) {
  const opened = await store;
  return new Promise((resolve, reject) => {
    const turn = opened.transaction(name, mode, {durability: "strict"}), asked = run(turn.objectStore(name));
    turn.oncomplete = () => resolve(asked.result);
    turn.onerror = turn.onabort = () => reject(turn.error);
  });
}
export const waiting = () => inStore("queue", "readonly", all => all.getAll());
