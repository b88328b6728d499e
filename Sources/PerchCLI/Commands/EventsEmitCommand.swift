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
        if name == "" { throw ValidationError("the event's name is empty") }
        if let payload { _ = try JSONValue.option("--payload", payload) }
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
                    batch.append(try EventLine.parse(Array(line.utf8)))
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

extension EventLine {
    /// An event as a line to send.
    static func text(_ event: NewEvent) -> String {
        var fields = ["name": JSONValue.string(event.name), "payload": event.payload]
        if let key = event.key { fields["key"] = .string(key) }
        if let id = event.eventID { fields["id"] = .string(id) }
        return JSONValue.object(fields).text
    }
}
