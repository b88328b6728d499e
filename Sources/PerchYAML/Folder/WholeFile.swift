// SPDX-License-Identifier: Apache-2.0

internal import Glibc

/// Why a file was not read or written.
struct FileFault: Error {
    var message: String

    init(_ message: String) { self.message = message }

    /// What the system has just refused.
    static func refused(_ doing: String) -> FileFault {
        FileFault("the file cannot be \(doing): \(String(cString: strerror(errno)))")
    }
}

/// Whole files of bytes.
enum WholeFile {
    static func bytes(of path: String, longest: Int) throws(FileFault) -> [UInt8] {
        // What is no file by now (a pipe) must not hold up the reader.
        let file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard file >= 0 else { throw .refused("read") }
        defer { close(file) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = Glibc.read(file, &chunk, chunk.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw .refused("read") }
            if count == 0 { return bytes }
            bytes += chunk[..<count]
            guard bytes.count <= longest else {
                throw FileFault("the file is longer than \(longest >> 20) MiB")
            }
        }
    }

    /// Puts a file in place as a whole, or not at all.
    static func replace(_ path: String, with bytes: [UInt8]) throws(FileFault) {
        let draft = "\(path).\(getpid())"
        let file = open(draft, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard file >= 0 else { throw .refused("written") }
        do {
            defer { close(file) }
            var written = 0
            while written < bytes.count {
                let count = bytes[written...].withUnsafeBytes { Glibc.write(file, $0.baseAddress, $0.count) }
                if count < 0, errno == EINTR { continue }
                guard count > 0 else { throw FileFault.refused("written") }
                written += count
            }
            guard fsync(file) == 0, rename(draft, path) == 0 else { throw FileFault.refused("written") }
        } catch let fault as FileFault {
            unlink(draft)
            throw fault
        } catch {
            throw FileFault("\(error)")
        }
    }
}
