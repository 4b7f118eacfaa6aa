// SPDX-License-Identifier: MIT
#include "verifier/message.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "check/access.hpp"
#include "spec/helpers.hpp"
#include "verifier/describe.hpp"

namespace ebpf::verifier {
namespace {

using check::Finding;
using check::Kind;
using spec::Rule;

std::string function_name(const Request& request, std::uint32_t slot) {
    for (const Subprogram& subprogram : request.subprograms) {
        if (subprogram.slot == slot) return fmt::format("'{}'", subprogram.name);
    }
    return fmt::format("at instruction {}", slot);
}

/// The helper's name as programs write it.
std::string helper_name(const check::Program& program, std::uint32_t id) {
    const spec::HelperSpec* helper = program.catalogue.find_helper(id);
    if (helper == nullptr) return fmt::format("helper {}", id);
    return fmt::format("{}{}", helper == spec::find_helper(id) ? "bpf_" : "", helper->name);
}

const char* expected_text(spec::ArgKind kind) {
    switch (kind) {
        case spec::ArgKind::None:
            return "nothing";
        case spec::ArgKind::Anything:
        case spec::ArgKind::Optional:
        case spec::ArgKind::Scalar:
            return "a number";
        case spec::ArgKind::Context:
            return "the context";
        case spec::ArgKind::Map:
            return "a map";
        case spec::ArgKind::MapKey:
            return "a pointer to a key";
        case spec::ArgKind::MapValue:
            return "a pointer to a value";
        case spec::ArgKind::ReadMemory:
            return "a pointer to memory to read";
        case spec::ArgKind::WriteMemory:
            return "a pointer to memory to write";
        case spec::ArgKind::Size:
        case spec::ArgKind::SizeNonZero:
            return "a size";
        case spec::ArgKind::Callback:
            return "the address of a function";
        case spec::ArgKind::CallbackContext:
            return "an initialised value";
        case spec::ArgKind::RecordSize:
            return "a number known in advance";
        case spec::ArgKind::Record:
            return "the unmoved address of a reserved record";
    }
    return "something else";
}

/// Renders one finding; a member a group of rules.
class Text {
  public:
    Text(const Finding& finding, const check::Program& program, const Request& request)
        : finding_(finding), program_(program), request_(request) {}

    std::string render() const {
        std::string text = body();
        if (finding_.argument != 0) {
            text = fmt::format("argument {} of {}: {}", finding_.argument,
                               helper_name(program_, finding_.helper), text);
        }
        return text;
    }

  private:
    std::string known() const { return describe_value(finding_.known, &request_); }

    std::string reg() const {
        return finding_.reg == check::kNoRegister ? "the value" : fmt::format("r{}", finding_.reg);
    }

    std::string verb() const { return finding_.is_write ? "write" : "read"; }

    /// "offset 12" or "offsets 12..20": where the first byte of the access may lie.
    std::string offsets() const {
        if (finding_.low == finding_.high) return fmt::format("offset {}", finding_.low);
        return fmt::format("offset {}..{}", finding_.low, finding_.high);
    }

    std::string access() const {
        return fmt::format("{} of {} byte{} at {}", verb(), finding_.size, finding_.size == 1 ? "" : "s",
                           offsets());
    }

    std::string packet_text() const {
        const std::int64_t needed = finding_.high + finding_.size;
        const char* what =
            finding_.known.kind == Kind::Packet ? "a packet pointer" : "a pointer to the metadata";
        if (finding_.low < 0) {
            return fmt::format("{} is {}, and the {} lies before its start", reg(), known(), access());
        }
        if (finding_.known.number.is_constant()) {
            return fmt::format("{} is {} with {} byte{} proven safe, {} needs {} bytes", reg(), what,
                               finding_.available, finding_.available == 1 ? "" : "s", access(), needed);
        }
        return fmt::format("{} is {}, {} byte{} from its varying part are proven safe, {} needs {}", reg(),
                           known(), finding_.available, finding_.available == 1 ? "" : "s", access(),
                           finding_.known.offset + finding_.size);
    }

    std::string bounds_text() const {
        if (finding_.rule == Rule::PacketBounds) {
            return packet_text();
        }
        if (finding_.rule == Rule::MapValueBounds) {
            return fmt::format("{} is {}, {} does not stay inside the value of {} bytes", reg(), known(),
                               access(), finding_.available);
        }
        if (finding_.rule == Rule::StackBounds) {
            return fmt::format("{} is {}, {} does not stay inside the frame, which is -512..-1", reg(),
                               known(), access());
        }
        if (finding_.rule == Rule::MapKeyBounds) {
            return fmt::format("{} is {}, {} does not stay inside the key of {} bytes", reg(), known(),
                               access(), finding_.available);
        }
        if (finding_.rule == Rule::MemoryBounds) {
            return fmt::format("{} is {}, {} does not stay inside the memory of {} bytes", reg(), known(),
                               access(), finding_.available);
        }
        if (finding_.rule == Rule::RecordBounds) {
            return fmt::format("{} is {}, {} does not stay inside it", reg(), known(), access());
        }
        return fmt::format("{} is {}, which is not bounded: offsets must be known to lie within 2^29", reg(),
                           known());
    }

    std::string type_text() const {
        if (finding_.rule == Rule::Uninitialised) {
            return fmt::format("{} is not initialised on this path", reg());
        }
        if (finding_.rule == Rule::StackUninitialised) {
            return fmt::format("{} is {}, {} covers the byte at {}, which was not written on this path",
                               reg(), known(), access(), finding_.available);
        }
        if (finding_.rule == Rule::NotPointer) {
            return fmt::format("{} is {}, which is not an address of memory that may be accessed", reg(),
                               known());
        }
        if (finding_.rule == Rule::NullCheck) {
            return fmt::format("{} is {}, and must be compared with null before it is used", reg(), known());
        }
        if (finding_.rule == Rule::PointerArithmetic) {
            return fmt::format("{} is {}, and cannot be an operand here: {}", reg(), known(), finding_.note);
        }
        if (finding_.rule == Rule::PointerComparison) {
            return fmt::format("{} is {}, and cannot be compared: {}", reg(), known(), finding_.note);
        }
        if (finding_.rule == Rule::PointerLeak) {
            return fmt::format("{} is {}, whose address would leak: {}", reg(), known(), finding_.note);
        }
        if (finding_.rule == Rule::MixedAccess) {
            return fmt::format("{} is {} here, but on another path the instruction accesses {}", reg(),
                               known(),
                               finding_.known.kind == Kind::Context ? "other memory" : "the context");
        }
        if (finding_.rule == Rule::PartialPointer) {
            return fmt::format("{} is {}: a part of a pointer would be {}", reg(), known(), finding_.note);
        }
        if (finding_.rule == Rule::FrameEscape) {
            return fmt::format("{} is {} of the called function, and would be {}", reg(), known(),
                               finding_.note);
        }
        if (finding_.rule == Rule::CallbackReturn) {
            return fmt::format("r0 is {} when the callback returns, it must be 0 or 1", known());
        }
        return fmt::format("r0 is {} at the end of the program, it must be in {}..{}", known(), finding_.low,
                           finding_.high);
    }

    std::string context_text() const {
        if (finding_.rule == Rule::ContextModified) {
            return fmt::format("{} is {}, only the unmoved context pointer can be used", reg(), known());
        }
        const spec::ProgramTypeSpec& type = *program_.type;
        const spec::ContextField* field =
            program_.catalogue.find_field(type, finding_.low, static_cast<std::uint32_t>(finding_.size));
        return fmt::format("{} of struct {}{}{}: {}", access(), program_.catalogue.context_of(type).name,
                           field == nullptr ? "" : ", field ", field == nullptr ? "" : field->name,
                           finding_.note);
    }

    std::string map_text() const {
        if (finding_.number < request_.maps.size()) {
            return fmt::format("map '{}', offset {}: {}", request_.maps[finding_.number].name, finding_.low,
                               finding_.note);
        }
        return fmt::format("map index {}: {}, the program has {} maps", finding_.number, finding_.note,
                           request_.maps.size());
    }

    std::string call_text() const {
        if (finding_.rule == Rule::UnknownHelper) {
            return fmt::format("there is no helper {}", finding_.number);
        }
        if (finding_.rule == Rule::HelperProgram) {
            return fmt::format("programs of type {} may not call {}", program_.type->name,
                               helper_name(program_, finding_.number));
        }
        if (finding_.rule == Rule::Licence) {
            return fmt::format("{} is reserved to programs with a licence compatible with the GPL",
                               helper_name(program_, finding_.number));
        }
        if (finding_.rule == Rule::TailCallPlace) {
            return fmt::format("{} is called in a function, not in the program itself",
                               helper_name(program_, finding_.number));
        }
        if (finding_.rule == Rule::Argument) {
            return fmt::format("{} is {}, expected {}", reg(), known(), expected_text(finding_.expected));
        }
        if (finding_.rule == Rule::MapArgument) {
            return fmt::format("{} is {}, {}", reg(), known(), finding_.note);
        }
        if (finding_.rule == Rule::SizeArgument) {
            return fmt::format("the size in {} is {}, it {}", reg(), known(), finding_.note);
        }
        if (finding_.rule == Rule::Recursion) {
            return fmt::format("the call of the function {} is recursive",
                               function_name(request_, finding_.number));
        }
        if (finding_.rule == Rule::CallTarget) {
            return fmt::format("{} is {} here, {}", reg(), known(), finding_.note);
        }
        return fmt::format("the call makes more than {} functions active at once", spec::kMaxCallFrames);
    }

    std::string body() const {
        switch (finding_.rule) {
            case Rule::PacketBounds:
            case Rule::MapValueBounds:
            case Rule::StackBounds:
            case Rule::MemoryBounds:
            case Rule::MapKeyBounds:
            case Rule::RecordBounds:
            case Rule::OffsetRange:
                return bounds_text();
            case Rule::Uninitialised:
            case Rule::StackUninitialised:
            case Rule::NotPointer:
            case Rule::NullCheck:
            case Rule::PointerArithmetic:
            case Rule::PointerComparison:
            case Rule::PointerLeak:
            case Rule::MixedAccess:
            case Rule::PartialPointer:
            case Rule::FrameEscape:
            case Rule::ReturnValue:
            case Rule::CallbackReturn:
                return type_text();
            case Rule::ContextField:
            case Rule::ContextModified:
                return context_text();
            case Rule::ReadOnly:
                return fmt::format("{} is {}, {}", reg(), known(), finding_.note);
            case Rule::WriteOnly:
                return fmt::format("{} is {}, whose map is write-only for programs", reg(), known());
            case Rule::AtomicTarget:
                return fmt::format("{} is {}, which atomic and ordered instructions may not access", reg(),
                                   known());
            case Rule::AtomicAlignment:
                return fmt::format("{} is {}, the access is not known to be aligned to {} bytes", reg(),
                                   known(), finding_.size);
            case Rule::MapReference:
                return map_text();
            case Rule::Unsupported:
                return fmt::format("{} are not supported", finding_.note);
            case Rule::UnknownHelper:
            case Rule::HelperProgram:
            case Rule::Licence:
            case Rule::TailCallPlace:
            case Rule::Argument:
            case Rule::MapArgument:
            case Rule::SizeArgument:
            case Rule::CallDepth:
            case Rule::CallTarget:
            case Rule::Recursion:
                return call_text();
            case Rule::StackDepth:
                return fmt::format(
                    "with the call of the function {}, {} bytes of stack are in use, at most 512 may be",
                    function_name(request_, finding_.number), finding_.size);
            case Rule::ReferenceLeak:
                return fmt::format(
                    "the record reserved at instruction {} is neither submitted nor discarded {}",
                    finding_.number, finding_.note);
            case Rule::PacketInstruction:
                return finding_.reg == check::kNoRegister
                           ? std::string(finding_.note)
                           : fmt::format("{} is {}, not the context", reg(), known());
            case Rule::InfiniteLoop:
                return "an iteration of the loop starts with no more known than an earlier one, so it may "
                       "never end";
            case Rule::None:
            case Rule::Encoding:
            case Rule::FallsOff:
            case Rule::JumpOut:
            case Rule::Unreachable:
            case Rule::CodeReference:
            case Rule::WorkLimit:
            case Rule::BadRequest:
            case Rule::Internal:
                break;  // not found by looking at a state, or without more to say
        }
        return finding_.rule == Rule::None ? "unknown" : spec::rule_spec(finding_.rule).explanation;
    }

    const Finding& finding_;
    const check::Program& program_;
    const Request& request_;
};

}  // namespace

std::string message_of(const Finding& finding, const check::Program& program, const Request& request) {
    return Text(finding, program, request).render();
}

SourceLine source_of(const Request& request, std::uint32_t slot) {
    const auto after = std::ranges::upper_bound(request.lines, slot, {}, &SourceLine::slot);
    return after == request.lines.begin() ? SourceLine{} : *(after - 1);
}

Failure make_failure(const Request& request, spec::Rule rule, std::uint32_t slot, std::string message) {
    const spec::RuleSpec& row = spec::rule_spec(rule);
    Failure failure;
    failure.category = row.category;
    failure.rule = row.id;
    failure.slot = slot;
    failure.source = source_of(request, slot);
    failure.message = std::move(message);
    failure.hint = row.fix;
    return failure;
}

}  // namespace ebpf::verifier
