"use strict";
// The page behind the QR code on a cabinet. Without a network, checks are queued on the phone, each with a key
// of its own, and are sent until the server replies: a check that is sent twice is stored once.

const ROOT = location.pathname.slice(0, location.pathname.lastIndexOf("/d/"));
const API = `${ROOT}/v1`;
const HERE = decodeURIComponent(location.pathname.slice(ROOT.length + 3).split("/")[0]);
const RETRY_MS = 20_000, LONGEST_SIDE = 1600, MOST_PHOTOS = 5;

// --- words ------------------------------------------------------------------------------------------------

const WORDS = {
  zh: {
    other: "English", emergency: "紧急情况：请先拨打急救电话（中国大陆120），再取用AED。",
    usable: "可以使用", unusable: "请勿使用", unknown: "没有网络，暂时无法确认是否可用", last: "上次巡检：", never: "尚无",
    hidden: "此设备仅供园区内部查看，登录后可巡检。", check: "巡检", glance: "快速查看", service: "维保", yes: "是", no: "否",
    there: "设备不在原位", used: "设备被使用过", new_pads: "更换了电极片", new_child_pads: "更换了儿童电极片",
    new_battery: "更换了电池", lot: "批号", until: "有效期至", moved: "设备在别处", place: "现在的位置", locate: "记录此处坐标",
    located: "已记录坐标，误差约", metres: "米", no_place: "无法获取坐标", recall: "厂家召回要求的处理已完成",
    needs_pads: "此设备使用过：必须更换电极片后才能恢复使用。", note: "备注（可不填）", photo: "拍照", send: "提交",
    unanswered: "项未答", keep_going: "再点一次即提交", sending: "正在提交…", waits: "已保存在手机上，有网络时自动提交。",
    passed: "已提交：巡检合格。", not_passed: "已提交：未通过，AED管理员已收到通知。", glanced: "已提交，谢谢。",
    queue: "等待提交", drop: "删除", refused: "未被接受：", sign_again: "请重新登录后提交。", report: "报告问题",
    report_hint: "无需登录。AED管理员会收到通知。", beeping: "设备在报警", missing: "不在原位", damaged: "损坏",
    no_access: "取不到", something: "其他", thanks: "谢谢！已通知该设备的AED管理员。", sign_in: "登录后巡检", phone: "手机号",
    code: "验证码", get_code: "获取验证码", code_sent: "验证码已发送。", do_sign_in: "登录", offline: "没有网络，请稍后再试。",
    open_title: "输入标签上的编号", open: "打开", wrong: "编号有误，请再核对标签。", answered: "已回答，谢谢！",
    closed: "此问题已有答复，谢谢！", out_since: "自",
  },
  en: {
    other: "中文", emergency: "Emergency? Call the emergency number first (120 in mainland China), then take the AED.",
    usable: "Ready to use", unusable: "Do not use", unknown: "No network: cannot show whether it is ready",
    last: "Last checked: ", never: "never", hidden: "This device is visible only to its estate. Sign in to check it.",
    check: "Check", glance: "Glance", service: "Service", yes: "Yes", no: "No", there: "The device is not there",
    used: "The device was used", new_pads: "New pads fitted", new_child_pads: "New child pads fitted",
    new_battery: "New battery fitted", lot: "Lot", until: "Use by", moved: "The device is in another place", place: "Where it is now",
    locate: "Record this position", located: "Position recorded, accurate to about", metres: "m",
    no_place: "The position is not available", recall: "The work required by the maker's recall has been done",
    needs_pads: "This device was used: fit new pads to return it to service.", note: "Note (optional)", photo: "Take a photo",
    send: "Send", unanswered: "not answered", keep_going: "tap again to send anyway", sending: "Sending…",
    waits: "Saved on this phone. It will be sent when there is a network.", passed: "Sent: the check is passed.",
    not_passed: "Sent: not passed. The keeper has been notified.", glanced: "Sent. Thank you.", queue: "Waiting to be sent",
    drop: "Delete", refused: "Not accepted: ", sign_again: "Sign in again to send it.", report: "Report a problem",
    report_hint: "No account needed. The keeper will be notified.", beeping: "It beeps", missing: "It is not there",
    damaged: "It is damaged", no_access: "I cannot reach it", something: "Something else",
    thanks: "Thank you. The keeper of this device has been notified.", sign_in: "Sign in to check it", phone: "Phone number",
    code: "Code", get_code: "Send me a code", code_sent: "The code has been sent.", do_sign_in: "Sign in",
    offline: "No network: try again later.", open_title: "The number on the label", open: "Open",
    wrong: "This number is not valid: read it again from the label.", answered: "Answered. Thank you!",
    closed: "This question has already been answered. Thank you!", out_since: "since",
  },
};
// The questions of a form if none was ever loaded on this phone.
const DEFAULT_ASKS = [
  ["status_light", "Does the status light show that the AED is ready?", "状态指示灯显示正常吗？"],
  ["pads_in_date", "Are the pads in date and their pouch sealed?", "电极片在有效期内、包装未拆封吗？"],
  ["battery_in_date", "Is the battery in date?", "电池在有效期内吗？"],
  ["cabinet", "Does the cabinet open?", "外箱柜体能正常打开吗？"],
].map(([question, en, zh]) => ({question, en, zh}));

let language = localStorage.getItem("language")
  || ((navigator.languages || [navigator.language]).some(each => each.startsWith("zh")) ? "zh" : "en");
const t = name => WORDS[language][name];
const said = each => each[language] || each.zh || each.en;

// --- the page's parts -------------------------------------------------------------------------------------

const $ = id => document.getElementById(id);
function el(tag, given = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(given)) {
    if (name === "on") for (const [event, run] of Object.entries(value)) made.addEventListener(event, run);
    else if (name in made && name !== "list") made[name] = value;
    else made.setAttribute(name, value);
  }
  made.append(...children.filter(each => each !== null && each !== undefined && each !== false));
  return made;
}

// --- the phone's own store --------------------------------------------------------------------------------

const store = new Promise((resolve, reject) => {
  const opening = indexedDB.open("aed", 1);
  opening.onupgradeneeded = () => {
    opening.result.createObjectStore("queue", {keyPath: "key"});
    opening.result.createObjectStore("kept", {keyPath: "name"});
  };
  opening.onsuccess = () => resolve(opening.result);
  opening.onerror = () => reject(opening.error);
});
async function inStore(name, mode, run) {
  const opened = await store;
  return new Promise((resolve, reject) => {
    const turn = opened.transaction(name, mode), asked = run(turn.objectStore(name));
    turn.oncomplete = () => resolve(asked.result);
    turn.onerror = turn.onabort = () => reject(turn.error);
  });
}
const keep = (name, value) => inStore("kept", "readwrite", kept => kept.put({name, value}));
const kept = async name => (await inStore("kept", "readonly", all => all.get(name)))?.value;
const waiting = () => inStore("queue", "readonly", all => all.getAll());

// --- asking the API ---------------------------------------------------------------------------------------

class NoNetwork extends Error {}
async function ask(method, path, {body, type = "application/json", csrf = ""} = {}) {
  const stop = new AbortController(), timer = setTimeout(() => stop.abort(), 20_000);
  let answer, text;
  try {
    const headers = {Accept: "application/json"};
    if (body !== undefined) headers["Content-Type"] = type;
    if (csrf) headers["X-CSRF-Token"] = csrf;
    answer = await fetch(API + path, {method, headers, body, credentials: "same-origin", signal: stop.signal});
    text = await answer.text();
  } catch (error) {
    throw new NoNetwork(String(error));
  } finally {
    clearTimeout(timer);
  }
  if (answer.status >= 500 || answer.status === 429) throw new NoNetwork(String(answer.status));
  let data = {};
  try { data = text ? JSON.parse(text) : {}; } catch (error) { throw new NoNetwork(String(error)); }
  return {status: answer.status, ok: answer.ok, data};
}

// --- state ------------------------------------------------------------------------------------------------

const state = {
  id: null, ready: null, isHidden: false, form: null, confirmation_request: null, me: null, csrf: "", isOffline: false,
  kind: "check", given: fresh(), said: "", saidAs: "good",
};
function fresh() {
  return {answers: {}, isGone: false, wasUsed: false, replaced: {}, isMoved: false, place: "", position: null,
    recallDone: false, note: "", photos: [], isSure: false};
}
function deviceIdOf(number) {
  const digits = number.replace(/[\s-]/g, "");
  if (!/^\d{2,19}$/.test(digits)) return null;
  let total = 0;
  [...digits.slice(0, -1)].reverse().forEach((digit, place) => {
    const doubled = Number(digit) * (place % 2 === 0 ? 2 : 1);
    total += doubled > 9 ? doubled - 9 : doubled;
  });
  return (10 - total % 10) % 10 === Number(digits.slice(-1)) ? digits.slice(0, -1) : null;
}
function newKey() {
  if (crypto.randomUUID) return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = bytes[6] & 15 | 64; bytes[8] = bytes[8] & 63 | 128;
  const hex = [...bytes].map(each => each.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

async function load() {
  if (HERE.startsWith("ask_")) await loadConfirmationRequest();
  else state.id = deviceIdOf(HERE);
  if (state.id !== null) await loadDevice();
  render();
  await send();
}
async function loadConfirmationRequest() {
  try {
    const {ok, data} = await ask("GET", `/confirmation-requests/${encodeURIComponent(HERE)}`);
    if (ok) { state.confirmation_request = data; state.id = deviceIdOf(data.number); }
  } catch (error) {
    if (!(error instanceof NoNetwork)) throw error;
    state.isOffline = true;
  }
}
async function loadDevice() {
  const names = [`ready ${state.id}`, `form ${state.id} ${state.kind}`, "me"];
  [state.ready, state.form, state.me] = await Promise.all(names.map(kept));
  render();
  try {
    const [ready, form, me] = await Promise.all([
      ask("GET", `/devices/${state.id}/readiness`), ask("GET", `/devices/${state.id}/form?kind=${state.kind}`),
      ask("GET", "/me"),
    ]);
    state.isOffline = false;
    state.me = me.ok && me.data.csrf_token ? {person_id: me.data.person_id} : null;
    state.csrf = me.ok ? me.data.csrf_token || "" : "";
    state.isHidden = ready.status === 404;
    state.ready = ready.ok ? ready.data : null;
    if (form.ok) state.form = form.data;
    await Promise.all([keep(names[0], state.ready), keep(names[1], state.form), keep("me", state.me)]);
  } catch (error) {
    if (!(error instanceof NoNetwork)) throw error;
    state.isOffline = true;
  }
}

// --- sending ----------------------------------------------------------------------------------------------

async function send() {
  if (navigator.locks) await navigator.locks.request("aed queue", sendAll);
  else await sendAll();
}
async function sendAll() {
  const all = await waiting();
  const open = all.filter(each => !each.refused);
  if (open.length === 0) return render();
  try {
    if (!state.csrf) {
      const me = await ask("GET", "/me");
      state.csrf = me.ok ? me.data.csrf_token || "" : "";
      if (!state.csrf) { state.me = null; tell(t("sign_again"), "wait"); return; }
    }
    for (const each of open) await sendOne(each);
    state.isOffline = false;
  } catch (error) {
    if (!(error instanceof NoNetwork)) throw error;
    state.isOffline = true;
    render();
  }
}
async function sendOne(each) {
  const body = JSON.stringify(each.body);
  const answer = await ask("POST", `/devices/${each.device_id}/checks`, {body, csrf: state.csrf});
  if (answer.status === 401 || answer.status === 403 && /csrf/i.test(answer.data.detail || "")) {
    state.csrf = ""; state.me = null; tell(t("sign_again"), "wait");
    return;
  }
  let why = answer.ok ? "" : answer.data.detail || String(answer.status);
  for (const photo of answer.ok ? each.photos : []) {
    const sent = await ask("POST", `/photos?check=${each.key}`, {body: photo, type: "image/jpeg", csrf: state.csrf});
    if (!sent.ok) why = sent.data.detail || String(sent.status);
  }
  if (why) {
    await inStore("queue", "readwrite", queue => queue.put({...each, refused: why}));
    tell(t("refused") + why, "bad");
    return;
  }
  await inStore("queue", "readwrite", queue => queue.delete(each.key));
  if (String(each.device_id) === String(state.id)) {
    state.ready = answer.data.device;
    await keep(`ready ${state.id}`, state.ready);
    const isGlance = each.body.kind === "glance";
    const isWell = answer.data.check.is_passed || isGlance && answer.data.device.is_usable;
    tell(t(isWell ? (isGlance ? "glanced" : "passed") : "not_passed"), isWell ? "good" : "bad");
  }
}
function tell(words, as) { state.said = words; state.saidAs = as; render(); }

function theCheck() {
  const given = state.given, isCheck = state.kind !== "glance";
  const body = {key: newKey(), kind: state.kind, answered_at: new Date().toISOString(), is_there: !given.isGone};
  if (given.note.trim()) body.note = given.note.trim();
  if (given.isGone) return body;
  body.was_used = given.wasUsed;
  body.answers = {...given.answers};
  if (given.photos.length && asks().some(each => each.question === "photo")) body.answers.photo = true;
  if (isCheck) {
    body.replaced = Object.entries(given.replaced).map(([kind, each]) => ({
      kind, ...(each.lot.trim() && {lot: each.lot.trim()}), ...(each.until && {expires_on: each.until}),
    }));
    if (given.isMoved && (given.place.trim() || given.position)) {
      body.moved = {};
      if (given.position) body.moved.position = given.position;
      if (given.place.trim()) body.moved[`place_${language}`] = given.place.trim();
    }
    body.recall_is_done = given.recallDone;
  }
  return body;
}
const asks = () => (state.form && state.form.kind === state.kind && state.form.asks)
  || (state.kind === "glance" ? DEFAULT_ASKS.slice(0, 1) : DEFAULT_ASKS);
const unanswered = () => state.given.isGone ? 0
  : asks().filter(each => each.question !== "photo" && !(each.question in state.given.answers)).length;

async function submit() {
  if (unanswered() && !state.given.isSure) { state.given.isSure = true; return render(); }
  const body = theCheck();
  await inStore("queue", "readwrite", queue => queue.put(
    {key: body.key, device_id: state.id, number: HERE, body, photos: state.given.photos.map(each => each.blob)}));
  state.given = fresh();
  tell(t("waits"), "wait");
  scrollTo(0, 0);
  await send();
}
async function addPhoto(file) {
  const picture = await createImageBitmap(file);
  const scale = Math.min(1, LONGEST_SIDE / Math.max(picture.width, picture.height));
  const canvas = el("canvas", {width: Math.round(picture.width * scale), height: Math.round(picture.height * scale)});
  canvas.getContext("2d").drawImage(picture, 0, 0, canvas.width, canvas.height);
  const blob = await new Promise(resolve => canvas.toBlob(resolve, "image/jpeg", .82));
  state.given.photos.push({blob, url: URL.createObjectURL(blob)});
  render();
}

// --- what is shown ----------------------------------------------------------------------------------------

function render() {
  document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
  $("language").textContent = t("other");
  const number = state.confirmation_request ? state.confirmation_request.number : state.id !== null ? HERE : "";
  $("number").textContent = number;
  document.title = `AED ${number}`;
  const focused = document.activeElement && document.activeElement.id;
  const parts = [];
  if (state.said) parts.push(el("p", {className: `state ${state.saidAs}`, role: "status"}, state.said));
  if (HERE.startsWith("ask_")) parts.push(confirmation_requestPart());
  else if (state.id === null) parts.push(openPart());
  if (state.id !== null) {
    parts.push(statePart());
    if (!HERE.startsWith("ask_")) parts.push(state.me ? checkPart() : el("div", {}, reportPart(), signInPart()));
  }
  parts.push(queuePart());
  $("main").replaceChildren(...parts);
  if (focused && $(focused)) $(focused).focus();
  document.body.dataset.drawn = "yes";
}

function statePart() {
  const ready = state.ready, lines = [];
  if (ready) {
    lines.push(el("p", {className: `state ${ready.is_usable ? "good" : "bad"}`}, t(ready.is_usable ? "usable" : "unusable")));
    for (const why of ready.unusable_reasons) lines.push(el("p", {}, `· ${said(why)}`,
      why.since ? el("span", {className: "soft"}, ` (${t("out_since")} ${why.since.slice(0, 10)})`) : null));
    lines.push(el("p", {className: "soft"}, t("last") + (ready.last_checked_on || t("never"))));
  } else if (state.isHidden && !state.isOffline) {
    lines.push(el("p", {className: "soft"}, t("hidden")));
  } else lines.push(el("p", {className: "state wait"}, t("unknown")));
  return el("section", {}, ...lines, el("p", {className: "soft"}, t("emergency")));
}

function openPart() {
  const go = () => {
    const typed = $("typed").value.trim();
    if (deviceIdOf(typed) === null) return tell(t("wrong"), "bad");
    location.href = `${ROOT}/d/${encodeURIComponent(typed)}/check`;
  };
  return el("section", {}, el("h1", {}, t("open_title")),
    el("input", {id: "typed", type: "text", inputMode: "numeric", autocomplete: "off", placeholder: "1234-4",
      "aria-label": t("open_title"), on: {keydown: event => { if (event.key === "Enter") go(); }}}),
    el("p", {}), el("button", {type: "button", className: "main", on: {click: go}}, t("open")));
}

function confirmation_requestPart() {
  const asked = state.confirmation_request;
  if (!asked) return el("section", {}, el("p", {}, t(state.isOffline ? "offline" : "closed")));
  const where = language === "zh" ? asked.where_zh || asked.where_en : asked.where_en || asked.where_zh;
  if (!asked.is_open) return el("section", {}, el("p", {className: "state good"}, t(asked.answer ? "answered" : "closed")));
  const answer = async chosen => {
    try {
      const {ok, data} = await ask("POST", `/confirmation-requests/${encodeURIComponent(HERE)}`, {body: JSON.stringify({answer: chosen}), csrf: state.csrf});
      if (ok) state.confirmation_request = data;
      tell(ok ? t("answered") : data.detail, ok ? "good" : "bad");
    } catch (error) {
      if (!(error instanceof NoNetwork)) throw error;
      tell(t("offline"), "wait");
    }
  };
  return el("section", {}, el("h1", {}, said(asked)), el("p", {className: "soft"}, where || ""),
    el("div", {className: "grid"}, ...asked.answers.map(each =>
      el("button", {type: "button", on: {click: () => answer(each.answer)}}, said(each)))));
}

function checkPart() {
  const given = state.given, isCheck = state.kind !== "glance", missing = unanswered();
  const tab = kind => el("button", {type: "button", "aria-pressed": String(state.kind === kind),
    on: {click: async () => { state.kind = kind; given.isSure = false; await loadDevice(); render(); }}}, t(kind));
  const tick = (id, words, is, set) => el("label", {className: "tick"},
    el("input", {id, type: "checkbox", checked: is, on: {change: event => { set(event.target.checked); render(); }}}), words);
  const parts = [el("div", {className: "tabs"}, tab("check"), tab("glance"), tab("service"))];
  if (isCheck && state.form && state.form.needs_new_pads) parts.push(el("p", {className: "state wait"}, t("needs_pads")));
  parts.push(tick("gone", t("there"), given.isGone, is => { given.isGone = is; }));
  if (!given.isGone) {
    for (const each of asks().filter(one => one.question !== "photo")) parts.push(askPart(each));
    parts.push(tick("used", t("used"), given.wasUsed, is => { given.wasUsed = is; }));
    if (isCheck) parts.push(...replacedPart(tick), ...movedPart(tick));
    if (isCheck && state.form && state.form.asks_about_recall)
      parts.push(tick("recall", t("recall"), given.recallDone, is => { given.recallDone = is; }));
  }
  parts.push(el("label", {className: "field"}, t("note"), el("textarea", {id: "note", maxLength: 500, value: given.note,
    on: {input: event => { given.note = event.target.value; }}})));
  if (given.photos.length < MOST_PHOTOS) parts.push(el("p", {}, el("label", {className: "file"}, t("photo"), el("input", {
    id: "photo", type: "file", accept: "image/*", capture: "environment",
    on: {change: event => { if (event.target.files[0]) addPhoto(event.target.files[0]); }}}))));
  if (given.photos.length) parts.push(el("div", {className: "photos"},
    ...given.photos.map(each => el("img", {src: each.url, alt: t("photo")}))));
  const words = missing ? `${t("send")} (${missing} ${t("unanswered")}${given.isSure ? `, ${t("keep_going")}` : ""})` : t("send");
  parts.push(el("p", {}), el("button", {id: "send", type: "button", className: "main", on: {click: submit}}, words));
  return el("section", {}, el("h1", {}, t("check")), ...parts);
}
function askPart({question, en, zh}) {
  const answers = state.given.answers;
  const button = (is, words, name) => el("button", {type: "button", className: name, id: `${question} ${name}`,
    "aria-pressed": String(answers[question] === is),
    on: {click: () => { if (answers[question] === is) delete answers[question]; else answers[question] = is; render(); }}}, words);
  return el("div", {className: "ask", role: "group", "aria-label": said({en, zh})}, el("div", {}, said({en, zh})),
    el("div", {className: "pair"}, button(true, t("yes"), "yes"), button(false, t("no"), "no")));
}
function replacedPart(tick) {
  const given = state.given, parts = [];
  for (const kind of ["pads", "battery", "child_pads"]) {
    const it = given.replaced[kind];
    parts.push(tick(`new ${kind}`, t(`new_${kind}`), Boolean(it), is => {
      if (is) given.replaced[kind] = {lot: "", until: ""}; else delete given.replaced[kind];
    }));
    if (it) parts.push(el("div", {className: "more"},
      el("label", {className: "field"}, t("until"), el("input", {id: `until ${kind}`, type: "date", value: it.until,
        on: {change: event => { it.until = event.target.value; }}})),
      el("label", {className: "field"}, t("lot"), el("input", {id: `lot ${kind}`, type: "text", value: it.lot, maxLength: 100,
        on: {input: event => { it.lot = event.target.value; }}}))));
  }
  return parts;
}
function movedPart(tick) {
  const given = state.given;
  const parts = [tick("moved", t("moved"), given.isMoved, is => { given.isMoved = is; })];
  if (!given.isMoved) return parts;
  const locate = () => navigator.geolocation.getCurrentPosition(
    ({coords}) => {
      given.position = {lat: coords.latitude, lon: coords.longitude};
      tell(`${t("located")} ${Math.round(coords.accuracy)} ${t("metres")}`, "good");
    },
    () => tell(t("no_place"), "bad"), {enableHighAccuracy: true, timeout: 20_000});
  parts.push(el("div", {className: "more"},
    el("label", {className: "field"}, t("place"), el("input", {id: "place", type: "text", value: given.place, maxLength: 200,
      on: {input: event => { given.place = event.target.value; }}})),
    el("button", {type: "button", on: {click: locate}}, t("locate"))));
  return parts;
}

function reportPart() {
  const report = async kind => {
    const note = $("report-note").value.trim(), body = JSON.stringify({number: HERE, kind, ...(note && {note})});
    try {
      const {ok, data} = await ask("POST", "/reports", {body, csrf: state.csrf});
      tell(ok ? t("thanks") : data.detail, ok ? "good" : "bad");
      scrollTo(0, 0);
    } catch (error) {
      if (!(error instanceof NoNetwork)) throw error;
      tell(t("offline"), "wait");
    }
  };
  const button = (kind, words) => el("button", {type: "button", on: {click: () => report(kind)}}, words);
  return el("section", {}, el("h1", {}, t("report")), el("p", {className: "soft"}, t("report_hint")),
    el("label", {className: "field"}, t("note"), el("textarea", {id: "report-note", maxLength: 500})), el("p", {}),
    el("div", {className: "grid"}, button("beeping", t("beeping")), button("missing", t("missing")),
      button("damaged", t("damaged")), button("no_access", t("no_access")), button("other", t("something"))));
}
function signInPart() {
  const run = async (path, body, done) => {
    try {
      const {ok, data} = await ask("POST", path, {body: JSON.stringify(body)});
      if (ok) await done(data); else tell(data.detail, "bad");
    } catch (error) {
      if (!(error instanceof NoNetwork)) throw error;
      tell(t("offline"), "wait");
    }
  };
  const phone = () => $("phone").value.trim();
  const values = state.signIn || (state.signIn = {phone: "", code: ""});
  const field = (id, given) => el("label", {className: "field"}, t(id), el("input", {id, value: values[id],
    on: {input: event => { values[id] = event.target.value; }}, ...given}));
  return el("section", {}, el("h1", {}, t("sign_in")), field("phone", {type: "tel", autocomplete: "tel"}), el("p", {}),
    el("button", {type: "button", on: {click: () => run("/sign-in/code", {phone: phone()},
      () => tell(t("code_sent"), "good"))}}, t("get_code")), el("p", {}),
    field("code", {type: "text", inputMode: "numeric", autocomplete: "one-time-code"}), el("p", {}),
    el("button", {type: "button", className: "main", on: {click: () => run("/sign-in", {phone: phone(), code: values.code.trim()},
      async () => { state.said = ""; await loadDevice(); render(); await send(); })}}, t("do_sign_in")));
}

function queuePart() {
  const part = el("section", {hidden: true}, el("h1", {}, t("queue")));
  waiting().then(all => {
    part.hidden = all.length === 0;
    for (const each of all) part.append(el("p", {}, `AED ${each.number} · ${t(each.body.kind)} · ${new Date(each.body.answered_at).toLocaleString(document.documentElement.lang)}`,
      each.refused ? el("span", {}, el("br"), t("refused") + each.refused, el("br"), el("button", {type: "button", on: {click: async () => {
        await inStore("queue", "readwrite", queue => queue.delete(each.key)); state.said = ""; render();
      }}}, t("drop"))) : null));
  });
  return part;
}

$("language").addEventListener("click", () => {
  language = language === "zh" ? "en" : "zh";
  localStorage.setItem("language", language);
  state.said = "";
  render();
});
addEventListener("online", send);
setInterval(async () => { if ((await waiting()).some(each => !each.refused)) await send(); }, RETRY_MS);
if ("serviceWorker" in navigator) navigator.serviceWorker.register(`${ROOT}/d/worker.js`, {scope: `${ROOT}/d/`});
load();
