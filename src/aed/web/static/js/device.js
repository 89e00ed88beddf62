// Share the page: by the phone's own menu, or by copying the link.
const button = document.getElementById("share");
const link = document.getElementById("link").href;
const status = document.getElementById("share-status");

if (navigator.share || navigator.clipboard) button.hidden = false;
button.addEventListener("click", async () => {
  try {
    if (navigator.share) {
      await navigator.share({title: button.dataset.title, url: link});
    } else {
      await navigator.clipboard.writeText(link);
      status.textContent = button.dataset.copied;
    }
  } catch (error) {
    if (error.name !== "AbortError") status.textContent = button.dataset.failed;
  }
});
