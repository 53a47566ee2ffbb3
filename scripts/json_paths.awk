# Prints every scalar of a JSON text as "path<TAB>value", for example "points.0.recall.id<TAB>0.98".
# Strings lose their quotes and keep their escapes. Several texts (JSON lines) are numbered by a
# first component: "0.query", "1.query" when -v lines=1 is given. For scripts that must not need
# more than a POSIX awk.
function fail(what) { printf "json_paths: %s at %d\n", what, pos > "/dev/stderr"; exit 1 }
function skip_space() { while (pos <= len && index(" \t\r\n", substr(text, pos, 1))) pos++ }
function read_string(   start, c) {
  start = ++pos
  while (pos <= len) {
    c = substr(text, pos, 1)
    if (c == "\\") { pos += 2; continue }
    if (c == "\"") { pos++; return substr(text, start, pos - 1 - start) }
    pos++
  }
  fail("string without end")
}
function join(path, key) { return path == "" ? key : path "." key }
function read_value(path,   c, key, n, word) {
  skip_space()
  c = substr(text, pos, 1)
  if (c == "{") {
    pos++; skip_space()
    if (substr(text, pos, 1) == "}") { pos++; return }
    while (1) {
      skip_space(); key = read_string(); skip_space()
      if (substr(text, pos++, 1) != ":") fail("colon expected")
      read_value(join(path, key)); skip_space()
      c = substr(text, pos++, 1)
      if (c == "}") return
      if (c != ",") fail("comma expected")
    }
  }
  if (c == "[") {
    pos++; skip_space()
    if (substr(text, pos, 1) == "]") { pos++; return }
    for (n = 0; ; n++) {
      read_value(join(path, n)); skip_space()
      c = substr(text, pos++, 1)
      if (c == "]") return
      if (c != ",") fail("comma expected")
    }
  }
  if (c == "\"") { printf "%s\t%s\n", path, read_string(); return }
  if (match(substr(text, pos, 64), /^[-+.a-zA-Z0-9]+/) == 0) fail("value expected")
  word = substr(text, pos, RLENGTH)
  pos += RLENGTH
  printf "%s\t%s\n", path, word
}
lines { text = $0; len = length(text); pos = 1; if (len) read_value((NR - 1) ""); next }
{ all = all $0 "\n" }
END {
  if (!lines) { text = all; len = length(text); pos = 1; skip_space(); if (pos <= len) read_value("") }
}
