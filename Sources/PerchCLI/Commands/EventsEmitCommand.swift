// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import PerchMetastore
internal import PerchSDK

struct EventsEmitCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "emit", abstract: "Send an event, or with --stdin one for each line of standard input.",
        discussion: """
            A line of JSON is printed for each event once it is durable. With --stdin each line is an object: \
            {"name": "orders.paid", "key": "4711", "payload": {…}, "id": "…"}; all but the name may be left out. \
            An event of a name and id that the inbox knows already is not taken twice.
            """)

    @Argument(help: "The event's name.") var name: String?
    @Option(name: .long, help: "The key by which waits tell events of a name apart.") var key: String?
    @Option(name: .long, help: ArgumentHelp("What the event carries.", valueName: "json")) var payload: String?
    @Option(name: .long, help: "The sender's id of the event: sent twice, it counts once.") var id: String?
    @Flag(name: .long, help: "Read events from standard input, one a line.") var stdin = false
    @OptionGroup var home: HomeOption

    func validate() throws {
        if stdin, name != nil || key != nil || payload != nil || id != nil {
            throw ValidationError("with --stdin name, --key, --payload and --id stand in the lines")
        }
        guard stdin || name != nil else { throw ValidationError("name the event, or give --stdin") }
        if let name { try EventLine.check(name: name) }
        if id == "" { throw ValidationError("--id is empty; leave it out to have one made") }
    }

    func run() async throws {
        let home = try home.resolve()
        let sink = try EventSink(home)
        do {
            try await send(to: sink)
        } catch {
            try sink.finish()
            throw error
        }
        try sink.finish()
        try home.noteMissingEngine("waits see the event once one is started")
    }

    private func send(to sink: EventSink) async throws {
        guard stdin else {
            let payload = try payload.map { try JSONValue.option("--payload", $0) } ?? .null
            let event = NewEvent(name: name ?? "", key: key, payload: payload, eventID: id)
            for line in try await sink.emit([event]) { try Console.shared.line(line) }
            return
        }
        var number = 0
        var reader = LineReader(descriptor: 0)
        // What standard input has at once goes in together: one commit for the batch, one line for each event.
        while let lines = try reader.next() {
            var batch: [NewEvent] = []
            var fault: PerchError?
            for line in lines {
                number += 1
                if line.allSatisfy({ $0 == " " || $0 == "\t" || $0 == "\r" }) { continue }
                do {
                    batch.append(try EventLine.parse(line))
                } catch let error as PerchError {
                    fault = PerchError(.invalid, "line \(number): \(error.message)")
                    break
                }
            }
            for line in try await sink.emit(batch) { try Console.shared.line(line) }
            try Console.shared.flush()
            if let fault { throw fault }
        }
    }
}

/// An event as a line of JSON, as `events emit --stdin` and the socket in the home take it.
enum EventLine {
    static func parse(_ line: String) throws -> NewEvent {
        guard case .object(let members) = try JSONValue(parsing: line) else {
            throw PerchError(
                .invalid, "not an object; an event is written {\"name\": \"…\", \"key\": \"…\", \"payload\": …}")
        }
        let known = ["id", "key", "name", "payload"]
        if let stray = members.keys.sorted().first(where: { !known.contains($0) }) {
            throw PerchError(.invalid, "there is no field '\(stray)'; there are \(known.joined(separator: ", "))")
        }
        guard let name = try text("name", members) else { throw PerchError(.invalid, "the field 'name' is missing") }
        guard !name.isEmpty else { throw PerchError(.invalid, "the field 'name' is empty") }
        return NewEvent(
            name: name, key: try text("key", members), payload: members["payload"] ?? .null,
            eventID: try text("id", members))
    }

    static func check(name: String) throws {
        if name.isEmpty { throw ValidationError("the event's name is empty") }
    }

    /// The line that says that an event is durable.
    static func answer(_ event: AcceptedEvent) -> String {
        let record: Record = [
            "seq": .number(event.seq), "id": .text(event.eventID), "duplicate": .flag(event.isDuplicate),
        ]
        return Document.record(record).json
    }

    /// An event as a line to send.
    static func text(_ event: NewEvent) -> String {
        var fields = ["name": JSONValue.string(event.name), "payload": event.payload]
        if let key = event.key { fields["key"] = .string(key) }
        if let id = event.eventID { fields["id"] = .string(id) }
        return JSONValue.object(fields).text
    }

    private static func text(_ field: String, _ members: [String: JSONValue]) throws -> String? {
        switch members[field] {
        case .string(let text): return text
        case nil, .null: return nil
        default: throw PerchError(.invalid, "the field '\(field)' is no string")
        }
    }
}
