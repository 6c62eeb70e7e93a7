"""
Small components in the text format, one per world and kind, that do as their input says.

They compile within milliseconds. The input is JSON text; its second byte chooses (`"loop"` -> `l`),
everything not named below is answered with the input itself.
"""

from daemon.skill import World

_LIBC = """
  (core module $libc
    (memory (export "memory") 2)
    (global $next (mut i32) (i32.const 65536))
    (func (export "realloc") (param $old i32) (param $had i32) (param i32) (param $size i32)
      (result i32) (local $at i32)
      (global.set $next (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
      (local.set $at (global.get $next))
      (global.set $next (i32.add (global.get $next) (local.get $size)))
      (if (i32.gt_u (global.get $next) (i32.shl (memory.size) (i32.const 16)))
        (then (if (i32.eq (i32.const -1)
          (memory.grow (i32.add (i32.const 1) (i32.shr_u (local.get $size) (i32.const 16)))))
          (then (unreachable)))))
      (memory.copy (local.get $at) (local.get $old) (local.get $had))
      (local.get $at))
  )
  (core instance $libc (instantiate $libc))
"""

# What the second byte of the input makes a function do. 1024 is where the result goes: its case
# (0: ok), then the pointer and length of the output, or the error's case, pointer and length.
_DEEDS = """
      (if (i32.eq (local.get $do) (i32.const 0x6c)) (then (loop $l (br $l))))
      ;; ^ l(oop)
      (if (i32.eq (local.get $do) (i32.const 0x75)) (then (unreachable)))
      ;; ^ u
      (if (i32.eq (local.get $do) (i32.const 0x62)) (then (drop (i32.load (i32.const -4))))) ;; b
      (if (i32.eq (local.get $do) (i32.const 0x72)) (then (call $recurse)))
      ;; ^ r
      (if (i32.eq (local.get $do) (i32.const 0x7a)) (then
        (drop (i32.div_u (i32.const 1) (i32.const 0)))))
      ;; ^ z
      (if (i32.eq (local.get $do) (i32.const 0x6d)) (then
      ;; ^ m(emory)
        (loop $m (br_if $m (i32.ne (i32.const -1) (memory.grow (i32.const 16)))))
        (unreachable)))
      (if (i32.eq (local.get $do) (i32.const 0x67)) (then
      ;; ^ g(iant)
        (drop (memory.grow (i32.const 64)))
        (i32.store (i32.const 1032) (i32.const 2097152))))
      (if (i32.eq (local.get $do) (i32.const 0x6a)) (then
        (i32.store (i32.const 1032) (i32.const 1))))
      (if (i32.eq (local.get $do) (i32.const 0x38)) (then
        ;; ^ 8: utf-8
        (i32.store8 (i32.add (local.get $in) (i32.const 1)) (i32.const 255))))
      (if (i32.or (i32.eq (local.get $do) (i32.const 0x69))
      ;; ^ i(nternal)
                  (i32.eq (local.get $do) (i32.const 0x76))) (then
      ;; ^ (in)v(alid)
        (i32.store (i32.const 1024) (i32.const 1))
        (i32.store (i32.const 1028) (i32.eq (local.get $do) (i32.const 0x76)))
        (i32.store (i32.const 1032) (local.get $in))
        (i32.store (i32.const 1036) (local.get $length))))
"""

_RECURSE = """
    (func $recurse (local i64 i64 i64 i64) (call $recurse) (call $recurse))
"""


def first_world() -> str:
    """`run` answers `<input>!` with what `complete-text` makes of it, if it starts with a `c`."""
    return f"""
(component
  (import "csi" (instance $csi
    (export "complete-text" (func (param "prompt" string) (param "model" string) (result string)))))
  {_LIBC}
  (core func $complete (canon lower (func $csi "complete-text")
    (memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))))
  (core module $m
    (import "libc" "memory" (memory 2))
    (import "csi" "complete" (func $complete (param i32 i32 i32 i32 i32)))
    (func (export "run") (param $in i32) (param $length i32) (result i32)
      (i32.store (i32.const 1024) (local.get $in))
      (i32.store (i32.const 1028) (local.get $length))
      (if (i32.eq (i32.load8_u (local.get $in)) (i32.const 0x63)) (then
        (call $complete (local.get $in) (local.get $length) (local.get $in) (i32.const 1)
          (i32.const 1024))))
      (i32.const 1024)))
  (core instance $i (instantiate $m
    (with "libc" (instance $libc))
    (with "csi" (instance (export "complete" (func $complete))))))
  (func (export "run") (param "in" string) (result string)
    (canon lift (core func $i "run")
      (memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))))
)
"""


_SLEEP = """
  (import "wasi:io/poll@0.2.0" (instance $poll
    (export "pollable" (type $p (sub resource)))
    (export "[method]pollable.block" (func (param "self" (borrow $p))))))
  (alias export $poll "pollable" (type $pollable))
  (import "wasi:clocks/monotonic-clock@0.2.0" (instance $clock
    (alias outer 1 $pollable (type $outer))
    (export "pollable" (type $p (eq $outer)))
    (export "subscribe-duration" (func (param "when" u64) (result (own $p))))))
  (import "wasi:cli/exit@0.2.0" (instance $exit
    (export "exit" (func (param "status" (result))))))
  (core func $subscribe (canon lower (func $clock "subscribe-duration")))
  (core func $block (canon lower (func $poll "[method]pollable.block")))
  (core func $leave (canon lower (func $exit "exit")))
"""


def function(
    version: str = World.V0_5.value,
    *,
    strings: bool = False,
    schema: str = "{}",
    describe: str = "",
    imports: str = "",
) -> str:
    """
    A function Skill of world *version*; *describe* is core code that its metadata runs first.

    Deeds: l(oop), u(nreachable), b(ounds), r(ecursion), z(ero division), m(emory), g(iant output),
    j (not JSON), 8 (not UTF-8), i(nternal error), v (invalid input), s(leep for 1000 s),
    n(ap for 300 ms), q(uit), c(all select-language; not in world 0.2).
    """
    text = "string" if strings else "(list u8)"
    quoted = schema.replace('"', "\\22")
    old = version.startswith("0.2")
    language, call_language = _language(version) if not old else ("", "")
    return f"""
(component
  {imports}
  {_SLEEP}
  {language}
  {_LIBC}
  {_lower_language(old)}
  (core module $m
    (import "libc" "memory" (memory 2))
    (import "wasi" "subscribe" (func $subscribe (param i64) (result i32)))
    (import "wasi" "block" (func $block (param i32)))
    (import "wasi" "exit" (func $exit (param i32)))
    {"" if old else '(import "csi" "select" (func $select (param i32 i32 i32)))'}
    (data (i32.const 2048) "{quoted}")
    {_RECURSE}
    (func (export "run") (param $in i32) (param $length i32) (result i32) (local $do i32)
      (local.set $do (i32.load8_u (i32.add (local.get $in) (i32.const 1))))
      (i32.store (i32.const 1024) (i32.const 0))
      (i32.store (i32.const 1028) (local.get $in))
      (i32.store (i32.const 1032) (local.get $length))
      {_DEEDS}
      (if (i32.eq (local.get $do) (i32.const 0x73)) (then
        (call $block (call $subscribe (i64.const 1000000000000))) (loop $l (br $l))))
      (if (i32.eq (local.get $do) (i32.const 0x6e)) (then
        (call $block (call $subscribe (i64.const 300000000)))))
      (if (i32.eq (local.get $do) (i32.const 0x71)) (then (call $exit (i32.const 1))))
      {call_language}
      (i32.const 1024))
    (func (export "metadata") (result i32)
      {describe}
      (i32.store (i32.const 1024) (i32.const 0))
      (i32.store (i32.const 1036) (i32.const 2048))
      (i32.store (i32.const 1040) (i32.const {len(schema)}))
      (i32.store (i32.const 1044) (i32.const 2048))
      (i32.store (i32.const 1048) (i32.const {len(schema)}))
      (i32.const 1024)))
  (core instance $i (instantiate $m
    (with "libc" (instance $libc))
    {"" if old else '(with "csi" (instance (export "select" (func $select))))'}
    (with "wasi" (instance (export "subscribe" (func $subscribe)) (export "block" (func $block))
      (export "exit" (func $leave))))))
  (type $error (variant (case "internal" string) (case "invalid-input" string)))
  (type $meta (record (field "description" (option string))
    (field "input-schema" {text}) (field "output-schema" {text})))
  (func $run (param "input" {text}) (result (result {text} (error $error)))
    (canon lift (core func $i "run")
      (memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))))
  (func $metadata (result $meta)
    (canon lift (core func $i "metadata")
      (memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))))
  (component $Shim
    (type $e0 (variant (case "internal" string) (case "invalid-input" string)))
    (import "import-type-error" (type $e (eq $e0)))
    (import "import-func-run" (func $run
      (param "input" {text}) (result (result {text} (error $e)))))
    (type $m0 (record (field "description" (option string))
      (field "input-schema" {text}) (field "output-schema" {text})))
    (import "import-type-skill-metadata" (type $m (eq $m0)))
    (import "import-func-metadata" (func $metadata (result $m)))
    (export $e1 "error" (type $e0))
    (export "run" (func $run)
      (func (param "input" {text}) (result (result {text} (error $e1)))))
    (export $m1 "skill-metadata" (type $m0))
    (export "metadata" (func $metadata) (func (result $m1)))
  )
  (instance $handler (instantiate $Shim
    (with "import-type-error" (type $error))
    (with "import-func-run" (func $run))
    (with "import-type-skill-metadata" (type $meta))
    (with "import-func-metadata" (func $metadata))))
  (export "pharia:skill/skill-handler@{version}" (instance $handler))
)
"""


def _language(version: str) -> tuple[str, str]:
    imported = f"""
  (import "pharia:skill/language@{version}" (instance $language
    (type $r (record (field "text" string) (field "languages" (list string))))
    (export "select-language-request" (type $request (eq $r)))
    (export "select-language"
      (func (param "request" (list $request)) (result (list (option string)))))))
"""
    call = """
      (if (i32.eq (local.get $do) (i32.const 0x63)) (then
        (call $select (i32.const 0) (i32.const 0) (i32.const 512))))
"""
    return imported, call


def _lower_language(old: bool) -> str:
    return (
        ""
        if old
        else """
  (core func $select (canon lower (func $language "select-language")
    (memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))))
"""
    )


SELECT_LANGUAGE = "(call $select (i32.const 0) (i32.const 0) (i32.const 512))"
"""For `function(describe=...)`: metadata that calls the CSI."""
SLEEP_LONG = "(call $block (call $subscribe (i64.const 1000000000000)))"
"""For `function(describe=...)`: metadata that sleeps."""


def message_stream(version: str = World.V0_5.value) -> str:
    """
    A streaming Skill that reads its input as a script, byte by byte.

    b(egin), a(ppend "a"), r(easoning "r", since 0.4), e(nd), p (end with payload `1`), n (end with
    a payload that is no JSON), l(oop), f(ail), o (append for ever); other bytes do nothing.
    """
    reasoning = "" if version.startswith("0.3") else '(case "reasoning" string)'
    shift = 0 if version.startswith("0.3") else 1
    item = f"""(variant (case "message-begin" $begin) {reasoning}
      (case "message-append" string) (case "message-end" (option (list u8))))"""
    think = (
        "(call $write (local.get $out) (i32.const 1) (i32.const 512) (i32.const 1) (i32.const 0))"
    )
    return f"""
(component
  (import "pharia:skill/streaming-output@{version}" (instance $output
    (export "stream-output" (type $s (sub resource)))
    (type $b (record (field "role" (option string))))
    (export "begin-attributes" (type $begin (eq $b)))
    (type $i {item})
    (export "message-item" (type $item (eq $i)))
    (export "[method]stream-output.write"
      (func (param "self" (borrow $s)) (param "item" $item)))))
  (alias export $output "stream-output" (type $stream))
  {_LIBC}
  (core func $write (canon lower (func $output "[method]stream-output.write")
    (memory (core memory $libc "memory"))))
  (core func $drop (canon resource.drop $stream))
  (core module $m
    (import "libc" "memory" (memory 2))
    (import "out" "write" (func $write (param i32 i32 i32 i32 i32)))
    (import "out" "drop" (func $drop (param i32)))
    (data (i32.const 512) "r") (data (i32.const 516) "a") (data (i32.const 520) "1")
    (data (i32.const 524) "{{")
    (func (export "run") (param $in i32) (param $length i32) (param $out i32) (result i32)
      (local $end i32) (local $do i32)
      (local.set $end (i32.add (local.get $in) (local.get $length)))
      (i32.store (i32.const 1024) (i32.const 0))
      (block $done (loop $next
        (br_if $done (i32.ge_u (local.get $in) (local.get $end)))
        (local.set $do (i32.load8_u (local.get $in)))
        (local.set $in (i32.add (local.get $in) (i32.const 1)))
        (if (i32.eq (local.get $do) (i32.const 0x62)) (then
          (call $write (local.get $out) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0))))
        (if (i32.eq (local.get $do) (i32.const 0x72)) (then {think if shift else ""}))
        (if (i32.eq (local.get $do) (i32.const 0x61)) (then
          (call $write (local.get $out) (i32.const {1 + shift}) (i32.const 516) (i32.const 1)
            (i32.const 0))))
        (if (i32.eq (local.get $do) (i32.const 0x6f)) (then (loop $o
          (call $write (local.get $out) (i32.const {1 + shift}) (i32.const 516) (i32.const 1)
            (i32.const 0)) (br $o))))
        (if (i32.eq (local.get $do) (i32.const 0x65)) (then
          (call $write (local.get $out) (i32.const {2 + shift}) (i32.const 0) (i32.const 0)
            (i32.const 0))))
        (if (i32.eq (local.get $do) (i32.const 0x70)) (then
          (call $write (local.get $out) (i32.const {2 + shift}) (i32.const 1) (i32.const 520)
            (i32.const 1))))
        (if (i32.eq (local.get $do) (i32.const 0x6e)) (then
          (call $write (local.get $out) (i32.const {2 + shift}) (i32.const 1) (i32.const 524)
            (i32.const 1))))
        (if (i32.eq (local.get $do) (i32.const 0x6c)) (then (loop $l (br $l))))
        (if (i32.eq (local.get $do) (i32.const 0x66)) (then
          (i32.store (i32.const 1024) (i32.const 1))
          (i32.store (i32.const 1028) (i32.const 0))
          (i32.store (i32.const 1032) (i32.const 516))
          (i32.store (i32.const 1036) (i32.const 1))))
        (br $next)))
      (call $drop (local.get $out))
      (i32.const 1024)))
  (core instance $i (instantiate $m
    (with "libc" (instance $libc))
    (with "out" (instance (export "write" (func $write)) (export "drop" (func $drop))))))
  (type $error (variant (case "internal" string) (case "invalid-input" string)))
  (func $run (param "input" (list u8)) (param "output" (own $stream))
    (result (result (error $error)))
    (canon lift (core func $i "run")
      (memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))))
  (component $Shim
    (import "import-type-stream-output" (type $s (sub resource)))
    (type $e0 (variant (case "internal" string) (case "invalid-input" string)))
    (import "import-type-error" (type $e (eq $e0)))
    (import "import-func-run" (func $run
      (param "input" (list u8)) (param "output" (own $s)) (result (result (error $e)))))
    (export $s1 "stream-output" (type $s))
    (export $e1 "error" (type $e0))
    (export "run" (func $run) (func
      (param "input" (list u8)) (param "output" (own $s1)) (result (result (error $e1)))))
  )
  (instance $handler (instantiate $Shim
    (with "import-type-stream-output" (type $stream))
    (with "import-type-error" (type $error))
    (with "import-func-run" (func $run))))
  (export "pharia:skill/message-stream@{version}" (instance $handler))
)
"""
