// SPDX-License-Identifier: Apache-2.0

import Glibc
import PerchReactor
import PerchSDK

/// The system calls about stream sockets in the file system.
enum UnixSocket {
    /// Listens at a path, for the owner of the home alone. A file that a dead process left there is replaced.
    /// - Throws: `PerchError`: `conflict` where somebody listens there already, `unavailable` where the system refuses.
    static func listen(at path: String) throws(PerchError) -> Int32 {
        try removeStale(path)
        let descriptor = try make(path)
        // The file gets the mode that the socket has when it is bound, so nobody else can come in between.
        fchmod(descriptor, 0o600)
        guard try address(path, { Glibc.bind(descriptor, $0, $1) }) == 0, Glibc.listen(descriptor, 128) == 0 else {
            let reason = errno
            close(descriptor)
            throw fault("listen at", path, reason)
        }
        return descriptor
    }

    private static func removeStale(_ path: String) throws(PerchError) {
        var status = stat()
        guard lstat(path, &status) == 0 else { return }
        guard status.st_mode & S_IFMT == S_IFSOCK else {
            throw PerchError(.conflict, "\(path) is in the way: it is no socket; move it away")
        }
        let descriptor = try make(path)
        defer { close(descriptor) }
        let result = try address(path) { Glibc.connect(descriptor, $0, $1) }
        // A socket whose queue is full has a listener too.
        guard result != 0, errno == ECONNREFUSED || errno == ENOENT else {
            throw PerchError(.conflict, "another process listens at \(path)")
        }
        guard unlink(path) == 0 || errno == ENOENT else { throw fault("remove", path, errno) }
    }

    private static func make(_ path: String) throws(PerchError) -> Int32 {
        let kind = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
        let descriptor = socket(AF_UNIX, kind, 0)
        guard descriptor >= 0 else { throw fault("make a socket for", path, errno) }
        return descriptor
    }

    /// A path as an address. One that is longer than an address holds is reached through its directory's descriptor.
    private static func address(
        _ path: String, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32
    ) throws(PerchError) -> Int32 {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let capacity = MemoryLayout.size(ofValue: address.sun_path) - 1
        var bytes = Array(path.utf8)
        var directory: Int32 = -1
        defer { if directory >= 0 { close(directory) } }
        if bytes.count > capacity, let slash = bytes.lastIndex(of: UInt8(ascii: "/")) {
            directory = open(String(decoding: bytes[..<slash], as: UTF8.self), O_RDONLY | O_DIRECTORY | O_CLOEXEC)
            guard directory >= 0 else { throw fault("open the directory of", path, errno) }
            bytes = Array("/proc/self/fd/\(directory)".utf8) + bytes[slash...]
        }
        guard bytes.count <= capacity else { throw PerchError(.invalid, "the path \(path) is too long for a socket") }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        let result = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                body($0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        let number = errno
        defer { errno = number }
        return result
    }

    private static func fault(_ doing: String, _ path: String, _ number: Int32) -> PerchError {
        PerchError(.unavailable, "cannot \(doing) \(path): \(ReactorError.text(of: number))")
    }
}
