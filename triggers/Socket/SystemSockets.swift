// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import PerchReactor
internal import PerchSDK

/// Connections of this machine. Ports go through libcurl, which looks names up on threads of its own; Unix sockets are
/// the kernel's, which answers at once.
final class SystemSockets: SocketTransport {
    private final class UnixAttempt: SocketAttempt {
        var isCancelled = false
        func cancel() { isCancelled = true }
    }

    private let loop: any EventLoop
    private let ports: CurlConnect
    private var isClosed = false

    /// - Throws: `PerchError` where libcurl cannot be set up.
    init(loop: any EventLoop) throws {
        self.loop = loop
        ports = try CurlConnect(loop: loop)
    }

    func connect(
        to target: SocketTarget, timeout: TimeSpan, done: @escaping (SocketOutcome) -> Void
    ) throws -> any SocketAttempt {
        switch target.address {
        case .port: return try ports.connect(to: target, timeout: timeout, done: done)
        case .unixSocket(let path):
            let outcome = Self.tryUnixSocket(path)
            let attempt = UnixAttempt()
            loop.enqueue { [weak self] in
                guard !attempt.isCancelled, self?.isClosed == false else { return }
                done(outcome)
            }
            return attempt
        }
    }

    func close() {
        isClosed = true
        ports.close()
    }

    private static func tryUnixSocket(_ path: String) -> SocketOutcome {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(path.utf8)
        guard bytes.count < MemoryLayout.size(ofValue: address.sun_path) else { return .noConnection(ENAMETOOLONG) }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        let kind = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        let descriptor = socket(AF_UNIX, kind, 0)
        guard descriptor >= 0 else { return .noConnection(errno) }
        defer { Glibc.close(descriptor) }
        let result = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        if result == 0 { return .accepted(by: path) }
        switch errno {
        case ECONNREFUSED: return .refused(by: path)
        case ENOENT, ENOTDIR: return .absent
        // Where the other side does not block, a Unix socket answers so instead of letting wait.
        case EAGAIN: return .queueFull
        case let number: return .noConnection(number)
        }
    }
}
