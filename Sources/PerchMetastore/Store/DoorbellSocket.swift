// SPDX-License-Identifier: Apache-2.0

import Foundation
import Glibc
import PerchSDK

/// The doorbell between the processes of a home: a datagram socket, one byte a ring.
final class DoorbellSocket: @unchecked Sendable {  // because the descriptor is set once and closed once, by `close`
    private let descriptor: Int32
    private let path: String
    private let finished = DispatchSemaphore(value: 0)
    private var isListening = false

    init(path: String) throws {
        self.path = path
        descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else {
            throw PerchError(.unavailable, "cannot make a socket: \(String(cString: strerror(errno)))")
        }
        // It carries the process's id, or the engine's lock is held: a file that is there belongs to one that is dead.
        unlink(path)
        let bound = try Self.withAddress(path) { address, size in Glibc.bind(descriptor, address, size) }
        guard bound == 0, chmod(path, 0o600) == 0 else {
            let reason = String(cString: strerror(errno))
            Glibc.close(descriptor)
            throw PerchError(.unavailable, "cannot bind \(path): \(reason)")
        }
    }

    func listen(_ ring: @escaping @Sendable (DoorbellSet) -> Void) {
        isListening = true
        let thread = Thread { [descriptor, finished] in
            while true {
                var bits: UInt16 = 0
                let count = recv(descriptor, &bits, MemoryLayout<UInt16>.size, 0)
                if count < 0 && errno == EINTR { continue }
                if count <= 0 { break }
                ring(DoorbellSet(rawValue: bits))
            }
            finished.signal()
        }
        thread.name = "perch-doorbell"
        thread.stackSize = 256 << 10
        thread.start()
    }

    func close() {
        if isListening {
            // Ends the listening thread, even where the path is gone by which a message would reach it.
            shutdown(descriptor, Int32(SHUT_RDWR))
            finished.wait()
        }
        unlink(path)
        Glibc.close(descriptor)
    }

    /// Rings at a doorbell. Where its queue is full, nothing is lost: who listens looks anyway. False where nobody listens.
    @discardableResult
    static func send(_ bells: DoorbellSet, to path: String) -> Bool {
        let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return true }
        defer { Glibc.close(descriptor) }
        var bits = bells.rawValue
        do {
            let sent = try withAddress(path) { address, size in
                sendto(descriptor, &bits, MemoryLayout<UInt16>.size, Int32(MSG_DONTWAIT), address, size)
            }
            return sent == MemoryLayout<UInt16>.size || errno == EAGAIN || errno == EINTR
        } catch {
            // A path too long for a socket: nobody can listen there either, for a process refuses to start with this path.
            return false
        }
    }

    private static func withAddress<Result>(
        _ path: String, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Result
    ) throws -> Result {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(path.utf8)
        let room = MemoryLayout.size(ofValue: address.sun_path) - 1
        guard bytes.count <= room else {
            throw PerchError(
                .invalid, "the path \(path) is \(bytes.count) bytes long, a socket takes \(room): use a shorter --home")
        }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                body($0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
    }
}
