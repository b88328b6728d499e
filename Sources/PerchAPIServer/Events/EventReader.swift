// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import PerchMetastore
import PerchSDK

/// Reads the events of a request. It reads all of them or none.
struct EventReader {
    /// Of the path; nil where every line has to name its event.
    private let name: String?
    private let form: EventForm
    private let limits: APILimits
    private let key: String?
    private let eventID: String?
    /// Of a CloudEvent: whether its attributes are part of the payload.
    private let hasEnvelope: Bool
    private let fields: HTTPFields

    /// - Throws: `Refusal` with status 400 for parameters and headers that cannot be.
    init(
        name: String?, form: EventForm, target: RequestTarget, fields: HTTPFields, limits: APILimits
    ) throws(Refusal) {
        self.name = name
        self.form = form
        self.limits = limits
        self.fields = fields
        var given: [String: String] = [:]
        for (parameter, value) in target.parameters {
            let known = form.isCloud ? ["key", "envelope"] : ["key", "id"]
            guard known.contains(parameter) else {
                throw Self.refusal(
                    "there is no parameter '\(parameter.shown(40))'; there are \(known.joined(separator: " and "))"
                        + (form.isCloud ? " (a CloudEvent has an id of its own)" : ""))
            }
            guard given.updateValue(value, forKey: parameter) == nil else {
                throw Self.refusal("the parameter '\(parameter)' stands there twice")
            }
        }
        key = given["key"]
        let envelope = given["envelope"] ?? "false"
        guard envelope == "true" || envelope == "false" else {
            throw Self.refusal("the parameter 'envelope' is true or false")
        }
        hasEnvelope = envelope == "true"
        let sent = (fields[.idempotencyKey] ?? fields[.gitHubDelivery]).map(Self.bare)
        if let id = given["id"] {
            guard form != .lines else {
                throw Self.refusal("'id' is for one event; in a batch it stands in the lines, or give Idempotency-Key")
            }
            guard sent == nil || sent == id else {
                throw Self.refusal("the parameter 'id' and the header Idempotency-Key name different events")
            }
        }
        eventID = given["id"] ?? sent
    }

    /// The events of a body, in order.
    /// - Throws: `Refusal`: 400 for what is no event, with the number of its line in a batch, 413 for too many lines.
    func events(in body: UnsafeRawBufferPointer) throws(Refusal) -> [NewEvent] {
        switch form {
        case .lines: return try batch(body)
        case .cloud, .cloudBatch, .cloudHead: return try cloudEvents(body)
        case .one, .empty:
            do {
                let payload = form == .empty ? .null : try JSONValue(parsing: body)
                let event = NewEvent(name: name ?? "", key: key, payload: payload, eventID: eventID)
                try event.check()
                return [event]
            } catch {
                throw Self.refusal("\(error)")
            }
        }
    }

    private func cloudEvents(_ body: UnsafeRawBufferPointer) throws(Refusal) -> [NewEvent] {
        let found: [CloudEvent]
        do {
            if form == .cloudHead {
                found = [try CloudEvent(fields, body)]
            } else {
                guard form == .cloudBatch || body.count <= limits.eventBytes else {
                    throw PerchError(.invalid, "the event is longer than \(limits.eventBytes) bytes")
                }
                let document = try JSONValue(parsing: body)
                guard form == .cloudBatch else { return [try event(CloudEvent(document))] }
                guard case .array(let documents) = document else {
                    throw PerchError(.invalid, "a batch of CloudEvents is a list of them")
                }
                found = try documents.enumerated().map { place, document in
                    do {
                        return try CloudEvent(document)
                    } catch {
                        throw PerchError(.invalid, "event \(place + 1): \(error)")
                    }
                }
            }
        } catch {
            throw Self.refusal("\(error); nothing was taken")
        }
        guard found.count <= limits.batchLines else {
            throw .tooLarge("the batch has more than \(limits.batchLines) events; none was taken. Send it in parts")
        }
        do {
            return try found.map { try event($0) }
        } catch {
            throw Self.refusal("\(error); nothing was taken")
        }
    }

    private func event(_ cloud: CloudEvent) throws -> NewEvent {
        var event = NewEvent(
            name: name ?? cloud.type, key: key ?? cloud.subject, payload: hasEnvelope ? cloud.envelope : cloud.data,
            eventID: cloud.identity)
        event.traceparent = cloud.traceparent
        try event.check()
        return event
    }

    private func batch(_ body: UnsafeRawBufferPointer) throws(Refusal) -> [NewEvent] {
        var events: [NewEvent] = []
        var number = 0
        var rest = body[...]
        while !rest.isEmpty {
            let end = rest.firstIndex(of: UInt8(ascii: "\n")) ?? rest.endIndex
            let line = rest[rest.startIndex..<end]
            rest = rest[min(end + 1, rest.endIndex)...]
            number += 1
            if line.allSatisfy({ $0 == 0x20 || $0 == 0x09 || $0 == 0x0D }) { continue }
            guard events.count < limits.batchLines else {
                throw .tooLarge("the batch has more than \(limits.batchLines) events; none was taken. Send it in parts")
            }
            guard line.count <= limits.eventBytes else {
                throw Refusal(
                    .contentTooLarge, "too_large",
                    "line \(number) is longer than \(limits.eventBytes) bytes; nothing was taken", line: number)
            }
            events.append(try event(line, number))
        }
        guard !events.isEmpty else { throw Self.refusal("there is no event in the body") }
        return events
    }

    private func event(_ line: Slice<UnsafeRawBufferPointer>, _ number: Int) throws(Refusal) -> NewEvent {
        do {
            var event = try EventLine.parse(line, name: name)
            if event.key == nil { event.key = key }
            // A batch that is sent again brings the same ids, by the places of its lines.
            if event.eventID == nil { event.eventID = eventID.map { "\($0)/\(number)" } }
            try event.check()
            return event
        } catch {
            throw Refusal(
                .badRequest, "invalid_event", "line \(number): \(error); nothing of the batch was taken", line: number)
        }
    }

    /// The header's value without the quotes that its standard asks for and hardly anybody sends.
    private static func bare(_ text: String) -> String {
        text.count >= 2 && text.hasPrefix("\"") && text.hasSuffix("\"") ? String(text.dropFirst().dropLast()) : text
    }

    private static func refusal(_ message: String) -> Refusal {
        Refusal(.badRequest, "invalid_request", message)
    }
}
