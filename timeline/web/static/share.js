// Copies what a field holds. Without this script the buttons stay hidden, and the text can be selected by hand.
async function copy(button) {
  const field = document.getElementById(button.dataset.copy);
  field.select();
  try {
    await navigator.clipboard.writeText(field.value);  // only where the page came safely: elsewhere there is none
    return true;
  } catch {
    return document.execCommand("copy");
  }
}

for (const button of document.querySelectorAll("[data-copy]")) {
  const said = document.createElement("span");
  said.setAttribute("role", "status");
  button.after(said);
  button.hidden = false;
  button.addEventListener("click", async () => {
    const copied = await copy(button);
    said.textContent = copied ? button.dataset.done : button.dataset.failed;
  });
}
