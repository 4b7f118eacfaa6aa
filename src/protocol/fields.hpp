// SPDX-License-Identifier: MIT
// fields(): every message's fields in the order of spec/operations.def, for the visitors of codec.hpp.
#pragma once

#include "protocol/codec.hpp"
#include "protocol/messages.hpp"

namespace ebpf::protocol {

template <typename V>
void fields(V& v, typename V::template Field<Id>& m) {
    v.number("id", m.id);
}

#define EBPF_U32(field) v.number(#field, m.field);
#define EBPF_U64(field) v.number(#field, m.field);
#define EBPF_TEXT(field, max) v.text(#field, m.field, max);
#define EBPF_BYTES(field, max) v.bytes(#field, m.field, max);
#define EBPF_HANDLE(field) v.number(#field, m.field);
#define EBPF_HANDLES(field, max) v.numbers(#field, m.field, max, 0xffffffff);
#define EBPF_OBJECT(type, field) v.object(#field, m.field);
#define EBPF_LIST(type, field, max) v.list(#field, m.field, max);
#define EBPF_RECORD(name, members)                                                             \
    template <typename V>                                                                      \
    void fields([[maybe_unused]] V& v, [[maybe_unused]] typename V::template Field<name>& m) { \
        members                                                                                \
    }
#include "spec/operations.def"
#undef EBPF_RECORD
#define EBPF_FIELDS(name, members)                                                             \
    template <typename V>                                                                      \
    void fields([[maybe_unused]] V& v, [[maybe_unused]] typename V::template Field<name>& m) { \
        members                                                                                \
    }
#define EBPF_OPERATION(name, number, pace, text, request, reply) \
    EBPF_FIELDS(name##Request, request)                          \
    EBPF_FIELDS(name##Reply, reply)
#include "spec/operations.def"
#undef EBPF_FIELDS
#undef EBPF_OPERATION
#undef EBPF_U32
#undef EBPF_U64
#undef EBPF_TEXT
#undef EBPF_BYTES
#undef EBPF_HANDLE
#undef EBPF_HANDLES
#undef EBPF_OBJECT
#undef EBPF_LIST

}  // namespace ebpf::protocol
