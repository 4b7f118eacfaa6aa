// SPDX-License-Identifier: MIT
// Runs a fuzz target without libFuzzer: every truncation of each seed, every byte replaced, and random
// changes from a fixed sequence. Usage: smoke ROUNDS OBJECT...   (ROUNDS random changes per object)
#include <array>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>

#include "fuzz.hpp"

namespace {

using Input = std::vector<std::uint8_t>;

// Numbers near which readers go wrong.
constexpr std::array<std::uint64_t, 12> kInteresting = {
    0, 1, 7, 8, 0x7f, 0xff, 0xff00, 0xffff, 0x7fffffff, 0xffffffff, 0x7fffffffffffffff, 0xffffffffffffffff,
};

// xorshift64*: the same sequence on every host.
class Random {
  public:
    std::uint64_t next() {
        state_ ^= state_ >> 12U;
        state_ ^= state_ << 25U;
        state_ ^= state_ >> 27U;
        return state_ * 0x2545f4914f6cdd1dULL;
    }
    std::size_t below(std::size_t limit) { return static_cast<std::size_t>(next() % limit); }

  private:
    std::uint64_t state_ = 0x9e3779b97f4a7c15ULL;
};

std::size_t run(const Input& input) {
    LLVMFuzzerTestOneInput(input.data(), input.size());
    return 1;
}

std::size_t run_truncations(const Input& seed) {
    std::size_t runs = 0;
    for (std::size_t size = 0; size <= seed.size(); ++size) {
        // A copy of exactly this size, so that a sanitizer sees the first byte behind it.
        runs += run(Input(seed.begin(), seed.begin() + static_cast<std::ptrdiff_t>(size)));
    }
    return runs;
}

std::size_t run_bytes(const Input& seed) {
    std::size_t runs = 0;
    Input input = seed;
    for (std::size_t i = 0; i < seed.size(); ++i) {
        const std::array<std::uint8_t, 2> values = {0xff, static_cast<std::uint8_t>(seed[i] + 1U)};
        for (const auto value : values) {
            if (value == seed[i]) continue;
            input[i] = value;
            runs += run(input);
        }
        input[i] = seed[i];
    }
    return runs;
}

void change(Input& input, Random& random) {
    if (input.empty()) return;
    const std::size_t position = random.below(input.size());
    const std::size_t width = std::size_t{1} << random.below(4);
    const std::size_t aligned = position & ~(width - 1);
    if (aligned + width > input.size()) return;
    switch (random.below(4)) {
        case 0:
            input[position] = static_cast<std::uint8_t>(random.next());
            break;
        case 1:
            std::memcpy(&input[aligned], &kInteresting[random.below(kInteresting.size())], width);
            break;
        case 2:
            std::memmove(&input[aligned], &input[random.below(input.size() - width + 1)], width);
            break;
        default:
            input[position] = static_cast<std::uint8_t>(input[position] ^ (1U << random.below(8)));
            break;
    }
}

std::size_t run_random(const Input& seed, std::size_t rounds) {
    Random random;
    for (std::size_t round = 0; round < rounds; ++round) {
        Input input = seed;
        const std::size_t changes = 1 + random.below(8);
        for (std::size_t i = 0; i < changes; ++i) change(input, random);
        run(input);
    }
    return rounds;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc < 3) {
        std::fprintf(stderr, "usage: %s ROUNDS OBJECT...\n", argv[0]);
        return 2;
    }
    const std::size_t rounds = std::strtoul(argv[1], nullptr, 10);
    std::size_t runs = 0;
    for (int i = 2; i < argc; ++i) {
        std::ifstream file(argv[i], std::ios::binary);
        const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
        if (text.empty()) {
            std::fprintf(stderr, "%s: cannot be read or is empty\n", argv[i]);
            return 2;
        }
        const Input seed = ebpf::fuzz::make_seed(std::as_bytes(std::span(text)));
        runs += run(seed) + run_truncations(seed) + run_bytes(seed) + run_random(seed, rounds);
    }
    std::printf("%zu inputs\n", runs);
    return 0;
}
