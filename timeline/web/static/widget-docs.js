// The hostile example: texts that would be markup, for whoever wants to see that they stay texts.
const evil = '<img src=x onerror="document.title=1"> & <b>bold</b> "quoted" \u202eright to left';
document.getElementById('hostile').setAttribute('label', evil);
