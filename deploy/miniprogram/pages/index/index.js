// Find help: call first, compressions second, then the AEDs that can be here soonest.
// WeChat's own map and location are in GCJ-02, and so are the coordinates here, in both directions.
const config = require("../../config.js");

const SECONDS = 5;
const FIRST = "先拨打" + config.emergencyNumber + "，并立即开始胸外按压。若只有您一人，请不要离开患者。";

/** Return minutes in words for seconds there and back. */
function minutes(seconds) {
  return seconds < 60 ? "不到1分钟" : "约" + Math.ceil(seconds / 60) + "分钟";
}

/** Return what the page shows of one device of the answer. */
function shown(device) {
  const place = device.place.zh || device.place.en || "";
  const estate = device.estate ? device.estate.zh : "";
  const phones = device.contacts;
  return {
    id: device.id,
    place: [estate, place, device.storey.zh].filter(Boolean).join(" "),
    time: device.bring ? "请人送来，" + minutes(device.bring.seconds) : "往返" + minutes(device.fetch_seconds),
    walk: "步行" + device.walk_metres + "米",
    way: device.access_instructions.zh || "",
    reasons: device.reasons.map((reason) => reason.zh),
    phone: device.bring ? device.bring.phone : phones.guard_phone || phones.keeper_phone || "",
    latitude: device.position.lat,
    longitude: device.position.lon,
  };
}

Page({
  data: { first: FIRST, number: config.emergencyNumber, state: "asking", problem: "", devices: [] },

  onLoad() {
    this.find();
  },

  onPullDownRefresh() {
    this.find();
    wx.stopPullDownRefresh();
  },

  find() {
    this.setData({ state: "asking", problem: "" });
    wx.getLocation({
      type: "gcj02",
      success: (here) => this.ask(here),
      fail: () => this.fail("未能获取位置。请在设置中允许使用位置信息，或请身边的人去找AED。"),
    });
  },

  ask(here) {
    wx.request({
      url: config.server + "/v1/nearest",
      data: { lat: here.latitude, lon: here.longitude, datum: "gcj02", answer_datum: "gcj02", limit: 5 },
      header: { "Accept-Language": "zh-CN" },
      timeout: SECONDS * 1000,
      success: (answer) => {
        if (answer.statusCode !== 200) {
          this.fail(answer.data.detail || "未能查询AED。");
          return;
        }
        const found = answer.data;
        this.setData({
          state: "answered",
          first: found.first_aid.zh,
          number: found.emergency.number,
          // Devices with expired pads are for when there is no other; their reasons say so.
          devices: (found.devices.length > 0 ? found.devices : found.last_resort).map(shown),
        });
      },
      fail: () => this.fail("网络不通，未能查询AED。"),
    });
  },

  fail(problem) {
    this.setData({ state: "failed", problem });
  },

  callEmergency() {
    wx.makePhoneCall({ phoneNumber: this.data.number });
  },

  callKeeper(event) {
    wx.makePhoneCall({ phoneNumber: event.currentTarget.dataset.phone });
  },

  openMap(event) {
    const device = this.data.devices[event.currentTarget.dataset.index];
    wx.openLocation({
      latitude: device.latitude,
      longitude: device.longitude,
      name: "AED",
      address: device.place,
      scale: 18,
    });
  },
});
