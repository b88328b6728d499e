// SPDX-License-Identifier: Apache-2.0

import DequeModule
public import Logging
import PerchMetastore
public import PerchReactor
public import PerchSDK

/// Takes external events at a socket in the home: one JSON object a line, from any language; one line answers each, in
/// order, once the event is durable.
///
/// `{"name": "orders.paid", "key": "4711", "payload": {…}, "id": "…"}` is answered by
/// `{"duplicate":false,"id":"…","seq":42}`, a line that is no event by `{"error":"…"}`; the connection goes on.
/// All lines that have come, from whomever, are committed together.
public actor EventSocket {
    /// The thread on which the socket is served.
    public nonisolated var reactor: any Reactor { triggerer.reactor }
    /// The reactor's executor.
    public nonisolated var unownedExecutor: UnownedSerialExecutor { reactor.asUnownedSerialExecutor() }

    private struct Line {
        var connection: Int
        var size: Int
        var event: Result<NewEvent, PerchError>
    }

    /// So many events at most in one transaction, and so many bytes that wait for one before nobody is read from.
    private static let batch = 2_000
    private static let mostBytes = 32 << 20

    private let path: String
    private nonisolated let triggerer: Triggerer
    private let log: Logger
    private var server: LineServer?
    private var lines: Deque<Line> = []
    private var bytes = 0
    private var commits: Task<Void, Never>?

    /// A socket that nobody can reach yet, on the thread of the triggerer that is given the events.
    public init(path: String, triggerer: Triggerer, log: Logger) {
        self.path = path
        self.triggerer = triggerer
        self.log = log
    }

    /// Listens.
    /// - Throws: `PerchError` that names the path: `conflict` where somebody listens there, `unavailable` where the system
    ///   refuses.
    public func start() throws(PerchError) {
        guard server == nil else { return }
        server = try LineServer(path: path, loop: reactor.loop) { [weak self] connection, items in
            self?.assumeIsolated { $0.take(items, from: connection) }
        }
    }

    /// Ends after the commit that is under way; events that are not in it are not taken.
    public func stop() async {
        server?.isPaused = true
        lines = []
        await commits?.value
        server?.shutDown()
        server = nil
    }

    private func take(_ items: [LineBuffer.Item], from connection: Int) {
        for item in items {
            switch item {
            case .tooLong:
                let error = PerchError(.invalid, "the line is longer than 1 MiB")
                lines.append(Line(connection: connection, size: 0, event: .failure(error)))
            case .line(let text):
                lines.append(Line(connection: connection, size: text.count, event: Self.event(text)))
                bytes += text.count
            }
        }
        if bytes > Self.mostBytes { server?.isPaused = true }
        if commits == nil { commits = Task(executorPreference: reactor) { await self.commitAll() } }
    }

    private static func event(_ line: [UInt8]) -> Result<NewEvent, PerchError> {
        do {
            return .success(try EventLine.parse(line))
        } catch let error as PerchError {
            return .failure(error)
        } catch {
            return .failure(PerchError(.invalid, "the line is no event", cause: error))
        }
    }

    private func commitAll() async {
        while !lines.isEmpty {
            let batch = Array(lines.prefix(Self.batch))
            lines.removeFirst(batch.count)
            var events: [NewEvent] = []
            for line in batch { if case .success(let event) = line.event { events.append(event) } }
            let results = await commit(events)
            answer(batch, results)
            bytes = lines.isEmpty ? 0 : bytes - batch.reduce(0) { $0 + $1.size }
            if bytes < Self.mostBytes / 2 { server?.isPaused = false }
        }
        commits = nil
    }

    private func commit(_ events: [NewEvent]) async -> [Result<AcceptedEvent, PerchError>] {
        guard !events.isEmpty else { return [] }
        do {
            return try await triggerer.store(events).map { .success($0) }
        } catch let error as PerchError where error.code == .invalid {
            return await commitOneByOne(events)
        } catch {
            return refuse(events, error)
        }
    }

    /// One of the events is ill-formed: the others are taken without it.
    private func commitOneByOne(_ events: [NewEvent]) async -> [Result<AcceptedEvent, PerchError>] {
        do {
            return try await triggerer.metastore.write { transaction in
                try events.map { event in
                    do {
                        return .success(try transaction.emit([event])[0])
                    } catch let error as PerchError where error.code == .invalid {
                        return .failure(error)
                    }
                }
            }
        } catch {
            return refuse(events, error)
        }
    }

    private func refuse(_ events: [NewEvent], _ error: any Error) -> [Result<AcceptedEvent, PerchError>] {
        log.error("events could not be stored", metadata: ["events": "\(events.count)", "error": "\(error)"])
        let refusal = PerchError(.unavailable, "the event is not stored", cause: error)
        return Array(repeating: .failure(refusal), count: events.count)
    }

    private func answer(_ batch: [Line], _ results: [Result<AcceptedEvent, PerchError>]) {
        var answers: [(connection: Int, lines: [String])] = []
        var places: [Int: Int] = [:]
        var next = 0
        for line in batch {
            let text: String
            switch line.event {
            case .failure(let error): text = EventLine.answer(error)
            case .success:
                switch results[next] {
                case .success(let event): text = EventLine.answer(event)
                case .failure(let error): text = EventLine.answer(error)
                }
                next += 1
            }
            if let place = places[line.connection] {
                answers[place].lines.append(text)
            } else {
                places[line.connection] = answers.count
                answers.append((line.connection, [text]))
            }
        }
        for (connection, lines) in answers { server?.answer(connection, lines) }
    }
}
