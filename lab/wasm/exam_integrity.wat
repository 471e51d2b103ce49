;; exam-integrity: a filter of requests to services, in the terms of the proxy-wasm ABI 0.2.1 and without an SDK.
;;
;; Configuration {"suspicious_behavior_threshold": N}: a request whose header x-suspicious-behavior, a count, is N or
;; more is answered 403. Every answer gets the header x-exam-integrity: checked.
(module
  ;; Each gives a status: 0 is OK. A text that is given is an address and a length. A text that is wanted is written
  ;; into memory that the host asks for, and its address and length to the two addresses that are given for it.
  (import "env" "proxy_get_buffer_bytes" ;; buffer, from, most, text wanted
    (func $get_buffer (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_get_header_map_value" ;; map, name, text wanted
    (func $get_header (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_replace_header_map_value" ;; map, name, value
    (func $set_header (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_send_local_response" ;; status, details, body, headers, status of gRPC or -1
    (func $respond (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))

  (memory (export "memory") 2)
  (data (i32.const 16) "x-suspicious-behavior")
  (data (i32.const 48) "x-exam-integrity")
  (data (i32.const 64) "checked")
  (data (i32.const 80) "exam_integrity_violated")
  (global $threshold (mut i32) (i32.const 0))

  (func (export "proxy_abi_version_0_2_1"))

  ;; Only one text of the host is looked at at a time, so each takes the place of the one before. Envoy's headers are
  ;; shorter than this (60 KiB); a longer text ends the module, and its fail strategy decides.
  (func (export "proxy_on_memory_allocate") (param $size i32) (result i32)
    (if (i32.gt_u (local.get $size) (i32.const 130048)) (then (unreachable)))
    (i32.const 1024))

  ;; The number that the digits of the host's text make, anything between them left out; large ones end at 9 digits,
  ;; so that none comes round to a small one.
  (func $number (result i32)
    (local $at i32) (local $end i32) (local $digit i32) (local $number i32)
    (local.set $at (i32.load (i32.const 0)))
    (local.set $end (i32.add (local.get $at) (i32.load (i32.const 4))))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $at) (local.get $end)))
        (br_if $done (i32.gt_u (local.get $number) (i32.const 99999999)))
        (local.set $digit (i32.sub (i32.load8_u (local.get $at)) (i32.const 48)))
        (if (i32.lt_u (local.get $digit) (i32.const 10))
          (then (local.set $number (i32.add (i32.mul (local.get $number) (i32.const 10)) (local.get $digit)))))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (br $next)))
    (local.get $number))

  ;; Buffer 7 is the configuration. False, here for a missing threshold, is a module that does not start.
  (func (export "proxy_on_configure") (param $context i32) (param $size i32) (result i32)
    (if (call $get_buffer (i32.const 7) (i32.const 0) (local.get $size) (i32.const 0) (i32.const 4))
      (then (return (i32.const 0))))
    (global.set $threshold (call $number))
    (i32.ne (global.get $threshold) (i32.const 0)))

  ;; Map 0 is the request's headers. 0 lets the request go on, 1 stops it where it is.
  (func (export "proxy_on_request_headers") (param $context i32) (param $headers i32) (param $end i32) (result i32)
    (if (call $get_header (i32.const 0) (i32.const 16) (i32.const 21) (i32.const 0) (i32.const 4))
      (then (return (i32.const 0))))
    (if (i32.lt_u (call $number) (global.get $threshold)) (then (return (i32.const 0))))
    (drop (call $respond (i32.const 403) (i32.const 80) (i32.const 23) (i32.const 0) (i32.const 0)
      (i32.const 0) (i32.const 0) (i32.const -1)))
    (i32.const 1))

  ;; Map 2 is the answer's headers.
  (func (export "proxy_on_response_headers") (param $context i32) (param $headers i32) (param $end i32) (result i32)
    (drop (call $set_header (i32.const 2) (i32.const 48) (i32.const 16) (i32.const 64) (i32.const 7)))
    (i32.const 0)))
