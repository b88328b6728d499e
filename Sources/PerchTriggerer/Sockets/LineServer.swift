// SPDX-License-Identifier: Apache-2.0

import CLinux
import Glibc
import PerchReactor
import PerchSDK

/// Takes lines at a socket in the file system, and gives back one line for each, in order.
///
/// Lives on the loop's thread. Whoever does not read its answers, or sends faster than is answered, is not read from for a
/// while; nobody else notices.
final class LineServer {
    struct Limits {
        /// In bytes.
        var longestLine = 1 << 20
        var connections = 256
        /// Of one connection: so many lines without an answer, and so many bytes of answers that nobody has read.
        var unanswered = 4_096
        var unread = 1 << 20
    }

    private let path: String
    private let loop: any EventLoop
    private let limits: Limits
    private let take: (_ connection: Int, [LineBuffer.Item]) -> Void
    private let listener: Int32
    private var isAccepting = false
    private var acceptAgain: LoopTimer?
    private var connections: [Int: LineConnection] = [:]
    private var nextNumber = 0
    private var buffer = [UInt8](repeating: 0, count: 1 << 16)

    /// Whether nothing is read from anybody for the moment.
    var isPaused = false {
        didSet {
            guard oldValue != isPaused else { return }
            for number in connections.keys.sorted() { update(number) }
        }
    }

    /// A server that listens from now on.
    /// - Parameter take: gets lines as they come; each is to be answered once, in order for each connection.
    /// - Throws: `PerchError` where it cannot listen at the path.
    init(
        path: String, loop: any EventLoop, limits: Limits = Limits(),
        take: @escaping (_ connection: Int, [LineBuffer.Item]) -> Void
    ) throws(PerchError) {
        self.path = path
        self.loop = loop
        self.limits = limits
        self.take = take
        listener = try UnixSocket.listen(at: path)
        accept(true)
    }

    /// How many clients are connected.
    var count: Int { connections.count }

    /// Answers the next lines of a connection; one that has gone is ignored.
    func answer(_ number: Int, _ answers: [String]) {
        guard let connection = connections[number] else { return }
        connection.unanswered -= answers.count
        for answer in answers {
            connection.output.append(contentsOf: answer.utf8)
            connection.output.append(UInt8(ascii: "\n"))
        }
        write(connection)
        update(number)
    }

    /// Closes everything and removes the file.
    func shutDown() {
        accept(false)
        if let acceptAgain { loop.cancel(acceptAgain) }
        for number in connections.keys.sorted() { close(number) }
        Glibc.close(listener)
        unlink(path)
    }

    // MARK: accepting

    private func accept(_ isWanted: Bool) {
        guard isWanted != isAccepting else { return }
        isAccepting = isWanted
        guard isWanted else { return loop.unwatch(listener) }
        do {
            try loop.watch(listener, for: .read) { [weak self] _ in self?.acceptNext() }
        } catch {
            isAccepting = false
            acceptLater()
        }
    }

    private func acceptNext() {
        let descriptor = clinux_accept(listener)
        guard descriptor >= 0 else {
            // Out of descriptors: they come back when others are done.
            if [EMFILE, ENFILE, ENOBUFS, ENOMEM].contains(errno) { acceptLater() }
            return
        }
        let number = nextNumber
        nextNumber += 1
        connections[number] = LineConnection(descriptor: descriptor, longestLine: limits.longestLine)
        update(number)
        if connections.count >= limits.connections { accept(false) }
    }

    private func acceptLater() {
        accept(false)
        acceptAgain = loop.schedule(at: loop.now + 1_000_000) { [weak self] in
            guard let self else { return }
            acceptAgain = nil
            if connections.count < limits.connections { accept(true) }
        }
    }

    // MARK: connections

    /// Watches a connection for what it can do next, or closes it if that is nothing any more.
    private func update(_ number: Int) {
        guard let connection = connections[number] else { return }
        if connection.isOver {
            close(number)
            return
        }
        var interest: Readiness = []
        let isFull = connection.unanswered >= limits.unanswered || connection.unread >= limits.unread
        if !connection.isAtEnd, !isFull, !isPaused { interest.insert(.read) }
        if connection.unread > 0 { interest.insert(.write) }
        guard interest != connection.interest else { return }
        connection.interest = interest
        // A descriptor with no interest would still report that the other side is gone, again and again.
        guard !interest.isEmpty else { return loop.unwatch(connection.descriptor) }
        do {
            try loop.watch(connection.descriptor, for: interest) { [weak self] readiness in
                self?.ready(number, readiness)
            }
        } catch {
            close(number)
        }
    }

    private func ready(_ number: Int, _ readiness: Readiness) {
        guard let connection = connections[number] else { return }
        let isGone = readiness.contains(.hangUp)
        if connection.unread > 0, readiness.contains(.write) || isGone { write(connection) }
        if connection.interest.contains(.read), readiness.contains(.read) || isGone { read(number, connection) }
        update(number)
    }

    private func read(_ number: Int, _ connection: LineConnection) {
        let count = recv(connection.descriptor, &buffer, buffer.count, 0)
        if count < 0, [EAGAIN, EINTR].contains(errno) { return }
        let items: [LineBuffer.Item]
        if count > 0 {
            items = buffer.withUnsafeBytes { connection.input.append(UnsafeRawBufferPointer(rebasing: $0[..<count])) }
        } else {
            connection.isAtEnd = true
            items = connection.input.end()
        }
        guard !items.isEmpty else { return }
        connection.unanswered += items.count
        take(number, items)
    }

    private func write(_ connection: LineConnection) {
        while connection.unread > 0 {
            let count = connection.output.withUnsafeBytes { bytes in
                let rest = bytes[connection.sent...]
                return send(connection.descriptor, rest.baseAddress, rest.count, Int32(MSG_NOSIGNAL))
            }
            if count < 0, errno == EINTR { continue }
            if count < 0, errno == EAGAIN { return }
            guard count > 0 else {
                // Nobody reads the answers; what was sent counts all the same.
                connection.isDeaf = true
                connection.clearOutput()
                return
            }
            connection.sent += count
            if connection.unread == 0 { connection.clearOutput() }
        }
    }

    private func close(_ number: Int) {
        guard let connection = connections.removeValue(forKey: number) else { return }
        loop.unwatch(connection.descriptor)
        Glibc.close(connection.descriptor)
        if acceptAgain == nil, connections.count < limits.connections { accept(true) }
    }
}

extension Slice where Base == UnsafeRawBufferPointer {
    /// Where the slice begins in memory.
    fileprivate var baseAddress: UnsafeRawPointer? { base.baseAddress.map { $0 + startIndex } }
}

/// One client.
private final class LineConnection {
    let descriptor: Int32
    var input: LineBuffer
    var output: [UInt8] = []
    var sent = 0
    var unanswered = 0
    /// No more lines come.
    var isAtEnd = false
    /// The other side takes no answers any more.
    var isDeaf = false {
        didSet { if isDeaf { output = [] } }
    }
    var interest: Readiness = []

    init(descriptor: Int32, longestLine: Int) {
        self.descriptor = descriptor
        input = LineBuffer(longest: longestLine)
    }

    var unread: Int { isDeaf ? 0 : output.count - sent }
    var isOver: Bool { isAtEnd && (isDeaf || (unanswered == 0 && unread == 0)) }

    func clearOutput() {
        output.removeAll(keepingCapacity: output.capacity <= 1 << 16)
        sent = 0
    }
}
