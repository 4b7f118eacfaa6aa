// SPDX-License-Identifier: MIT
#include "subject.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <iterator>
#include <span>

#include "base/try.hpp"
#include "client/load_object.hpp"
#include "isa/decode.hpp"
#include "isa/text/decode_text.hpp"
#include "lower/lower.hpp"
#include "object/object_spec.hpp"
#include "verifier/render.hpp"

// The linker gathers what BENCH_INPUT registers.
extern "C" {
// NOLINTBEGIN(bugprone-reserved-identifier,readability-identifier-naming): the linker's names.
extern const bench_program* const __start_bench_programs[];
extern const bench_program* const __stop_bench_programs[];
// NOLINTEND(bugprone-reserved-identifier,readability-identifier-naming)
// NOLINTNEXTLINE(cppcoreguidelines-avoid-non-const-global-variables): a secret that compilers must not know.
unsigned long long bench_hash_seed[7] = {0x452821e638d01377, 0xbe5466cf34e90c6d, 0xc0ac29b7c97c50dd,
                                         0x3f84d5b5b5470917, 0x9216d5d98979fb1b, 0xd1310ba698dfb5ac,
                                         0x2ffd72dbd01adfb7};
}

namespace ebpf::bench {
namespace {

Result<Bytes> read_file(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    if (!file) return fail(Status::NotFound, fmt::format("{}: cannot be read", path));
    const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
    const auto bytes = std::as_bytes(std::span(text));
    return Bytes(bytes.begin(), bytes.end());
}

Bytes copy_bytes(const void* from, std::size_t bytes) {
    Bytes copy(bytes);
    std::memcpy(copy.data(), from, bytes);
    return copy;
}

void put_element(bench_input* input, const char* map, const void* key, const void* value) {
    auto& subject = *static_cast<Subject*>(input->owner);
    for (std::size_t i = 0; i < subject.request.maps.size(); ++i) {
        const verifier::MapInfo& info = subject.request.maps[i];
        if (info.name != map) continue;
        subject.initial[i].push_back(
            {copy_bytes(key, info.shape.key_size), copy_bytes(value, info.shape.value_size)});
    }
}

void fill_input(Subject& subject) {
    subject.initial.resize(subject.request.maps.size());
    for (std::size_t i = 0; i < subject.request.maps.size(); ++i) {
        const std::uint32_t first = 0;
        const Bytes& contents = subject.request.maps[i].contents;  // of constants
        if (!contents.empty()) subject.initial[i].push_back({copy_bytes(&first, sizeof first), contents});
    }
    auto input = std::make_unique<bench_input>();
    input->put = put_element;
    input->owner = &subject;
    subject.native->input(input.get());
    subject.packet = copy_bytes(input->packet, input->packet_bytes);
}

}  // namespace

std::vector<spec::MapShape> Subject::shapes() const {
    std::vector<spec::MapShape> shapes;
    for (const verifier::MapInfo& map : request.maps) shapes.push_back(map.shape);
    return shapes;
}

std::vector<const bench_program*> all_programs() {
    std::vector<const bench_program*> programs(__start_bench_programs, __stop_bench_programs);
    std::ranges::sort(programs, {},
                      [](const bench_program* program) { return std::string_view(program->name); });
    return programs;
}

Result<std::unique_ptr<Subject>> load_subject(const bench_program& program, const std::string& folder) {
    EBPF_TRY(const auto bytes, read_file(fmt::format("{}/{}.o", folder, program.name)));
    EBPF_TRY(const auto object, object::read_object(bytes, program.name));
    EBPF_TRY(const auto* spec, client::find_program(object, program.name));
    auto subject = std::make_unique<Subject>();
    subject->native = &program;
    subject->request = client::verification_request(object, *spec, 0);
    const verifier::Report report = verifier::verify(subject->request);
    if (report.verdict != verifier::Verdict::Accept)
        return fail(Status::NotSupported, verifier::render(report, program.name));
    subject->accesses = report.accesses;
    auto code = isa::decode(subject->request.bytecode, subject->request.groups);
    if (!code) return std::unexpected(isa::to_error(code.error()));
    EBPF_TRY_VOID(lower::lower(*code, subject->request.type, report));
    subject->code = *std::move(code);
    fill_input(*subject);
    return subject;
}

}  // namespace ebpf::bench
