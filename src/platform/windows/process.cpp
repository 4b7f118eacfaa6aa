// SPDX-License-Identifier: MIT
// Not tested on Windows itself.
#include "platform/process.hpp"

#include <fmt/format.h>
#include <windows.h>

#include <filesystem>
#include <utility>

namespace ebpf::platform {
namespace {

std::unexpected<Error> refused(std::string_view what, DWORD number) {
    const Status status = number == ERROR_FILE_NOT_FOUND || number == ERROR_PATH_NOT_FOUND ? Status::NotFound
                          : number == ERROR_ACCESS_DENIED ? Status::AccessDenied
                                                          : Status::Environment;
    return fail(status, fmt::format("{}: error {}", what, number));
}

/// One argument as the C library's start-up code takes it apart again. Source: Microsoft, "Parsing C
/// command-line arguments".
std::string quoted(const std::string& argument) {
    std::string text = "\"";
    std::size_t backslashes = 0;
    for (const char letter : argument) {
        if (letter == '"') text.append(backslashes + 1, '\\');
        backslashes = letter == '\\' ? backslashes + 1 : 0;
        text += letter;
    }
    text.append(backslashes, '\\');
    return text + '"';
}

/// Closes a handle at the end of a scope.
class Owned {
  public:
    explicit Owned(HANDLE handle) : handle_(handle) {}
    ~Owned() {
        if (is_open()) CloseHandle(handle_);
    }
    Owned(const Owned&) = delete;
    Owned& operator=(const Owned&) = delete;
    [[nodiscard]] bool is_open() const { return handle_ != INVALID_HANDLE_VALUE && handle_ != nullptr; }
    [[nodiscard]] HANDLE get() const { return handle_; }

  private:
    HANDLE handle_;
};

std::string read_output(HANDLE file) {
    std::string text(kMaxOutputBytes, '\0');
    SetFilePointer(file, 0, nullptr, FILE_BEGIN);
    DWORD got = 0;
    if (ReadFile(file, text.data(), static_cast<DWORD>(text.size()), &got, nullptr) == 0) got = 0;
    text.resize(got);
    return text;
}

}  // namespace

Result<Ended> run_program(const std::vector<std::string>& arguments, const std::string& output_file) {
    SECURITY_ATTRIBUTES inherited{sizeof(SECURITY_ATTRIBUTES), nullptr, TRUE};
    const Owned output(CreateFileA(output_file.c_str(), GENERIC_READ | GENERIC_WRITE,
                                   FILE_SHARE_READ | FILE_SHARE_WRITE, &inherited, CREATE_ALWAYS,
                                   FILE_ATTRIBUTE_NORMAL, nullptr));
    if (!output.is_open()) return refused(output_file, GetLastError());
    std::string line;
    for (const auto& argument : arguments) line += (line.empty() ? "" : " ") + quoted(argument);
    STARTUPINFOA start{};
    start.cb = sizeof(start);
    start.dwFlags = STARTF_USESTDHANDLES;
    start.hStdInput = INVALID_HANDLE_VALUE;
    start.hStdOutput = output.get();
    start.hStdError = output.get();
    PROCESS_INFORMATION made{};
    if (CreateProcessA(nullptr, line.data(), nullptr, nullptr, TRUE, 0, nullptr, nullptr, &start, &made) == 0)
        return refused(arguments[0], GetLastError());
    const Owned process(made.hProcess);
    const Owned thread(made.hThread);
    WaitForSingleObject(process.get(), INFINITE);
    DWORD code = 0;
    if (GetExitCodeProcess(process.get(), &code) == 0) return refused(arguments[0], GetLastError());
    return Ended{static_cast<int>(code), read_output(output.get())};
}

struct TemporaryFolder::State {};

Result<TemporaryFolder> TemporaryFolder::create() {
    char parent[MAX_PATH + 1] = {};
    char path[MAX_PATH + 1] = {};
    // Makes a file under a name that was free; the folder takes its place.
    if (GetTempPathA(MAX_PATH, parent) == 0 || GetTempFileNameA(parent, "ebp", 0, path) == 0)
        return refused("naming a temporary folder", GetLastError());
    if (DeleteFileA(path) == 0 || CreateDirectoryA(path, nullptr) == 0) return refused(path, GetLastError());
    return TemporaryFolder(path, new State);
}

TemporaryFolder::TemporaryFolder(TemporaryFolder&& other) noexcept
    : path_(std::move(other.path_)), state_(std::exchange(other.state_, nullptr)) {}

TemporaryFolder::~TemporaryFolder() {
    if (state_ == nullptr) return;
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
    delete state_;
}

Result<void> write_file(const std::string& path, std::string_view bytes) {
    const std::string target = fmt::format("{}.{}.new", path, GetCurrentProcessId());
    DWORD number = 0;
    {
        const Owned file(CreateFileA(target.c_str(), GENERIC_WRITE, 0, nullptr, CREATE_ALWAYS,
                                     FILE_ATTRIBUTE_NORMAL, nullptr));
        if (!file.is_open()) return refused(path, GetLastError());
        DWORD written = 0;
        if (WriteFile(file.get(), bytes.data(), static_cast<DWORD>(bytes.size()), &written, nullptr) == 0)
            number = GetLastError();
        else if (written != bytes.size())
            number = ERROR_DISK_FULL;
    }
    if (number == 0 && MoveFileExA(target.c_str(), path.c_str(), MOVEFILE_REPLACE_EXISTING) != 0) return {};
    if (number == 0) number = GetLastError();
    DeleteFileA(target.c_str());
    return refused(path, number);
}

}  // namespace ebpf::platform
