// What opens beside the conversation: settings, timing, providers, devices, keys. One is open at a time.

const WIDE = "(min-width: 1100px)"; // room for the timing beside the transcript

export function openSheet(sheet) {
  if (sheet.open) return sheet.close();
  document.querySelectorAll("dialog.va-sheet[open]").forEach((other) => other.close());
  const beside = sheet.id.endsWith("-timing") && matchMedia(WIDE).matches;
  beside ? sheet.show() : sheet.showModal();
}

export function prepareSheets() {
  document.querySelectorAll("dialog.va-sheet").forEach((sheet) => {
    sheet.querySelector(".va-close").onclick = () => sheet.close();
    sheet.addEventListener("click", (event) => {
      const { left, right, top, bottom } = sheet.getBoundingClientRect();
      const inside = event.clientX >= left && event.clientX <= right && event.clientY >= top && event.clientY <= bottom;
      if (event.target === sheet && !inside) sheet.close(); // on the backdrop
    });
  });
}
