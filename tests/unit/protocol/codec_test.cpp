// SPDX-License-Identifier: MIT
// Round trips of every message, truncation at every length, random bytes.
#include <gtest/gtest.h>

#include <random>

#include "protocol/fields.hpp"
#include "protocol/messages.hpp"
#include "protocol/request_hash.hpp"

namespace ebpf::protocol {
namespace {

// Fills fields with values that differ from their defaults and stay inside every limit.
class Filler {
  public:
    template <typename T>
    using Field = T;

    template <typename T>
    void number(const char*, T& value) {
        if constexpr (std::is_same_v<T, bool>) {
            value = true;
        } else {
            value = static_cast<T>(++next_);
        }
    }
    template <typename T>
    void limited(const char*, T& value, std::uint64_t max) {
        value = static_cast<T>(max);
    }
    void text(const char*, std::string& value, std::size_t max) {
        value = std::string(std::min<std::size_t>(max, 5), 't');
    }
    void texts(const char*, std::vector<std::string>& values, std::size_t, std::size_t) {
        values = {"one", ""};
    }
    void bytes(const char*, std::vector<std::byte>& value, std::size_t max) {
        value.assign(std::min<std::size_t>(max, 3), std::byte{7});
    }
    template <typename T>
    void numbers(const char* name, std::vector<T>& values, std::size_t max_count, std::uint64_t max) {
        for (std::size_t i = 0; i < std::min<std::size_t>(max_count, 2); ++i) {
            T value{};
            limited(name, value, max);
            values.push_back(value);
        }
    }
    template <typename T>
    void object(const char*, T& value) {
        fields(*this, value);
    }
    template <typename T>
    void list(const char*, std::vector<T>& values, std::size_t max) {
        for (std::size_t i = 0; i < std::min<std::size_t>(max, 2); ++i) fields(*this, values.emplace_back());
    }

  private:
    unsigned next_ = 0;
};

template <typename M>
M filled() {
    M message;
    Filler filler;
    fields(filler, message);
    return message;
}

std::vector<AnyRequest> requests() {
    return {
#define EBPF_OPERATION(name, number, pace, text, request, reply) filled<name##Request>(),
#include "spec/operations.def"
#undef EBPF_OPERATION
    };
}

std::vector<AnyReply> replies() {
    return {
#define EBPF_OPERATION(name, number, pace, text, request, reply) filled<name##Reply>(),
#include "spec/operations.def"
#undef EBPF_OPERATION
    };
}

std::uint32_t number_of(std::size_t row) {
    return static_cast<std::uint32_t>(spec::operations()[row].operation);
}

TEST(Codec, EveryRequestComesBack) {
    const auto all = requests();
    ASSERT_EQ(all.size(), spec::operations().size());
    for (std::size_t row = 0; row < all.size(); ++row) {
        const auto bytes = encode_request(all[row]);
        ASSERT_TRUE(bytes) << bytes.error().message();
        const auto back = decode_request(number_of(row), *bytes);
        ASSERT_TRUE(back) << back.error().message();
        EXPECT_EQ(back->index(), all[row].index());
        EXPECT_EQ(encode_request(*back).value(), *bytes) << spec::operations()[row].name;
    }
}

TEST(Codec, EveryReplyComesBack) {
    const auto all = replies();
    for (std::size_t row = 0; row < all.size(); ++row) {
        const auto bytes = encode_reply(all[row]);
        ASSERT_TRUE(bytes) << bytes.error().message();
        const auto back = decode_reply(number_of(row), *bytes);
        ASSERT_TRUE(back) << back.error().message();
        EXPECT_EQ(encode_reply(*back).value(), *bytes) << spec::operations()[row].name;
    }
}

TEST(Codec, RefusesEveryOtherLength) {
    const auto all = requests();
    for (std::size_t row = 0; row < all.size(); ++row) {
        auto bytes = encode_request(all[row]).value();
        for (std::size_t size = 0; size < bytes.size(); ++size) {
            const auto cut = decode_request(number_of(row), std::span(bytes).first(size));
            ASSERT_FALSE(cut) << spec::operations()[row].name << " cut to " << size;
            EXPECT_EQ(cut.error().status(), Status::Malformed);
        }
        bytes.push_back(std::byte{0});
        const auto longer = decode_request(number_of(row), bytes);
        ASSERT_FALSE(longer);
        EXPECT_NE(longer.error().message().find("followed by further bytes"), std::string::npos);
    }
}

TEST(Codec, NeverReadsOutsideRandomBytes) {
    std::mt19937 random(1);
    for (int round = 0; round < 20000; ++round) {
        std::vector<std::byte> bytes(random() % 200);
        for (auto& byte : bytes) byte = static_cast<std::byte>(random() % 4 == 0 ? random() : 0);
        const std::size_t row = random() % spec::operations().size();
        const auto message = decode_request(number_of(row), bytes);
        if (message) {
            EXPECT_EQ(encode_request(*message).value(), bytes);
        }
        (void)decode_reply(number_of(row), bytes);
        (void)decode_bound_report(bytes);
    }
}

TEST(Codec, RefusesCountsBeyondTheLimit) {
    ObjectGetRequest request;
    request.path = std::string(spec::kMaxPathBytes + 1, 'x');
    const auto too_long = encode_request(request);
    ASSERT_FALSE(too_long);
    EXPECT_EQ(too_long.error().status(), Status::TooBig);
    EXPECT_EQ(too_long.error().message(), "ObjectGet request: field 'path' is too long (256, limit 255)");

    const std::vector<std::byte> huge = {std::byte{0xff}, std::byte{0xff}, std::byte{0xff}, std::byte{0xff}};
    const auto refused = decode_request(static_cast<std::uint32_t>(spec::Operation::ObjectGet), huge);
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().message().find("'path' is too long (4294967295, limit 255)"),
              std::string::npos);
}

TEST(Codec, RefusesTextWithZeroBytesAndUnknownValues) {
    const std::vector<std::byte> zero = {std::byte{1}, {}, {}, {}, std::byte{0}};
    EXPECT_FALSE(decode_request(static_cast<std::uint32_t>(spec::Operation::ObjectGet), zero));

    auto report = encode_report(filled<verifier::Report>()).value();
    report[0] = std::byte{2};
    const auto refused = decode_report(report);
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().message().find("'verdict' is not one of its values"), std::string::npos);
}

TEST(Codec, RefusesUnknownOperations) {
    EXPECT_EQ(decode_request(0x1ffffff, {}).error().status(), Status::NotSupported);
    EXPECT_EQ(decode_reply(9, {}).error().status(), Status::NotSupported);
}

TEST(RequestHash, CoversEveryByteOfTheRequest) {
    const auto request = filled<verifier::Request>();
    const auto hash = request_hash(request).value();
    auto bytes = encode_verification(request).value();
    EXPECT_EQ(platform::sha256(bytes), hash);
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        bytes[i] ^= std::byte{1};
        if (const auto other = decode_verification(bytes)) {
            EXPECT_NE(request_hash(*other).value(), hash) << i;
        }
        bytes[i] ^= std::byte{1};
    }
    auto frozen = request;
    frozen.maps[0].contents[0] ^= std::byte{1};
    EXPECT_NE(request_hash(frozen).value(), hash);
}

TEST(RequestHash, CoversTheTablesOfTheBuild) {
    auto bytes = encode_verification(filled<verifier::Request>()).value();
    ASSERT_TRUE(decode_verification(bytes));
    bytes[0] ^= std::byte{1};  // as a verifier with another table of helpers sees it
    const auto foreign = decode_verification(bytes);
    ASSERT_FALSE(foreign);
    EXPECT_EQ(foreign.error().status(), Status::VersionMismatch);
}

TEST(RequestHash, TravelsWithTheReport) {
    BoundReport report;
    report.request[5] = std::byte{9};
    report.report = filled<verifier::Report>();
    const auto bytes = encode_bound_report(report).value();
    const auto back = decode_bound_report(bytes);
    ASSERT_TRUE(back);
    EXPECT_EQ(back->request, report.request);
    EXPECT_EQ(back->report.verdict, verifier::Verdict::Accept);
    EXPECT_EQ(back->report.failures[1].trace.size(), 2U);
    EXPECT_FALSE(decode_bound_report(std::span(bytes).first(31)));
}

}  // namespace
}  // namespace ebpf::protocol
