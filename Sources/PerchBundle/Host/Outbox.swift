// SPDX-License-Identifier: Apache-2.0

internal import Glibc

/// The frames that leave the bundle. Any thread may send; whoever finds nobody writing writes, and takes along what
/// others add meanwhile, so that a busy bundle makes one system call for many frames.
// The state is only touched under the mutex; mutex and condition never move.
final class Outbox: BundleOutbox, @unchecked Sendable {
    private let descriptor: Int32
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let hasRoom = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private var writer = FrameWriter()
    private var isWriting = false
    /// The engine is gone: what is sent from here on is dropped; the reading thread sees the same and ends it all.
    private var isBroken = false
    /// How many bytes may wait for the engine before those who print have to wait, too.
    private static let most = 4 << 20

    init(descriptor: Int32) {
        self.descriptor = descriptor
        pthread_mutex_init(mutex, nil)
        pthread_cond_init(hasRoom, nil)
    }

    deinit {
        pthread_mutex_destroy(mutex)
        pthread_cond_destroy(hasRoom)
        mutex.deallocate()
        hasRoom.deallocate()
    }

    func send(_ message: BundleMessage, mayWait: Bool) throws(BundleProtocolError) {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        while mayWait, isWriting, writer.bytes.count > Self.most, !isBroken { pthread_cond_wait(hasRoom, mutex) }
        if isBroken { return }
        try writer.append(message)
        if isWriting { return }
        isWriting = true
        while !isBroken, !writer.isEmpty {
            let bytes = writer.take()
            pthread_cond_broadcast(hasRoom)
            pthread_mutex_unlock(mutex)
            let isDone = writeAll(bytes)
            pthread_mutex_lock(mutex)
            if !isDone { isBroken = true }
        }
        isWriting = false
        pthread_cond_broadcast(hasRoom)
    }

    /// Lets whoever reads the descriptor find its end.
    func endReading() {
        pthread_mutex_lock(mutex)
        // After `shutDown` the number may be another descriptor's.
        if !isBroken { shutdown(descriptor, Int32(SHUT_RD)) }
        pthread_mutex_unlock(mutex)
    }

    /// Sends nothing more; returns once nobody uses the descriptor, so that it may be closed.
    func shutDown() {
        pthread_mutex_lock(mutex)
        isBroken = true
        while isWriting { pthread_cond_wait(hasRoom, mutex) }
        pthread_mutex_unlock(mutex)
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
