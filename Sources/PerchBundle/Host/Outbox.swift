// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import PerchSDK
internal import Synchronization

/// The frames that leave the bundle. Any thread may send; whoever finds nobody writing writes, and takes along what
/// others add meanwhile, so that a busy bundle makes one system call for many frames.
final class Outbox: Sendable {
    private struct State {
        var writer = FrameWriter()
        var isWriting = false
        /// The engine is gone: what is sent from here on is dropped; the reading thread sees the same and ends it all.
        var isBroken = false
    }

    private let descriptor: Int32
    private let state = Mutex(State())

    init(descriptor: Int32) { self.descriptor = descriptor }

    /// Sends a message after all that were sent before.
    /// - Throws: `BundleProtocolError` where the message is too long for a frame; nothing is sent then.
    func send(_ message: BundleMessage) throws(BundleProtocolError) {
        let mustWrite = try state.withLock { (state) throws(BundleProtocolError) in
            if state.isBroken { return false }
            try state.writer.append(message)
            defer { state.isWriting = true }
            return !state.isWriting
        }
        guard mustWrite else { return }
        while true {
            let bytes = state.withLock { state in
                if state.isBroken || state.writer.isEmpty {
                    state.isWriting = false
                    return [UInt8]()
                }
                return state.writer.take()
            }
            if bytes.isEmpty { return }
            if !writeAll(bytes) { state.withLock { $0.isBroken = true } }
        }
    }

    private func writeAll(_ bytes: [UInt8]) -> Bool {
        bytes.withUnsafeBytes { buffer in
            var sent = 0
            while sent < buffer.count {
                let rest = UnsafeRawBufferPointer(rebasing: buffer[sent...])
                let count = Glibc.send(descriptor, rest.baseAddress, rest.count, Int32(MSG_NOSIGNAL))
                if count > 0 {
                    sent += count
                } else if errno == EAGAIN {
                    var entry = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                    _ = poll(&entry, 1, -1)
                } else if errno != EINTR {
                    return false
                }
            }
            return true
        }
    }
}
