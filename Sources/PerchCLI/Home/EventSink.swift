// SPDX-License-Identifier: Apache-2.0

internal import PerchMetastore
internal import PerchSDK

/// Where events go: to the engine's socket while one is alive, so that many senders share its commits, else to the
/// metastore itself.
final class EventSink {
    private let socket: EngineLine?
    private var metastore: Metastore?

    init(_ home: Home) throws {
        socket = try EngineLine(connectingTo: home.paths.events)
        if socket == nil { metastore = try home.open() }
    }

    /// Sends events and gives the line that answers each, in order, once all of them are durable.
    func emit(_ events: [NewEvent]) async throws -> [String] {
        guard !events.isEmpty else { return [] }
        if let metastore {
            return try await metastore.write { try $0.emit(events) }.map { EventLine.answer($0) }
        }
        var answers: [String] = []
        // No more at once than the buffers of the socket hold on both ways.
        for start in stride(from: 0, to: events.count, by: 256) {
            let some = events[start..<min(start + 256, events.count)]
            try socket?.send(some.map(EventLine.text).joined(separator: "\n"))
            for _ in some {
                guard let line = try socket?.receive() else {
                    throw PerchError(.unavailable, "the engine stopped before it answered; send the rest again")
                }
                let answer = try JSONValue(parsing: line)
                if case .string(let message)? = answer["error"] { throw PerchError(.invalid, message) }
                answers.append(line)
            }
        }
        return answers
    }

    /// Closes the metastore, if it was opened.
    func finish() throws {
        try metastore?.close()
        metastore = nil
    }
}
