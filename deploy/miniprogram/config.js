module.exports = {
  // The address of your network. Register it in WeChat's console as a request domain (request 合法域名).
  server: "https://aed.example.org",
  // Shown before an answer has come, and without a network.
  emergencyNumber: "120",
};
