// SPDX-License-Identifier: Apache-2.0

internal import PerchMetastore
internal import PerchSDK
internal import PerchTriggersApproval
internal import PerchTriggersEvent
internal import PerchTriggersFile
internal import PerchTriggersHTTP
internal import PerchTriggersRun
internal import PerchTriggersSocket
internal import PerchTriggersTime

/// What a task receives whose wait was fired by hand: an event of the wait's kind.
enum HandMadeEvent {
    /// - Parameter payload: What the person gave: for an event its payload, for HTTP the body of the answer, for every
    ///   other kind the coded event itself.
    static func of(_ wait: WaitRow, payload: JSONValue?, now: Timestamp) throws -> JSONValue {
        switch wait.kind {
        case TimeTrigger.kind:
            return try payload ?? JSONValue(encoding: TimeEvent(dueAt: wait.due ?? now))
        case FileTrigger.kind:
            return try payload ?? JSONValue(encoding: FileEvent(path: wait.target, size: 0, modifiedAt: now))
        case HTTPTrigger.kind:
            return try JSONValue(encoding: HTTPEvent(status: 200, body: (payload ?? .null).text))
        case SocketTrigger.kind:
            let trigger = try wait.definition.map { try JSONValue(parsingEnvelope: $0).decode(SocketTrigger.self) }
            return try payload
                ?? JSONValue(encoding: SocketEvent(state: trigger?.until ?? .open, at: now, address: wait.target))
        case EventTrigger.kind:
            let definition = try wait.definition.map { try JSONValue(parsingEnvelope: $0) }
            let trigger = try definition?.decode(EventTrigger.self)
            return try JSONValue(
                encoding: ExternalEvent(
                    eventID: "by-hand-\(wait.waitID)", seq: wait.eventFloor, name: trigger?.name ?? wait.target,
                    key: trigger?.key, payload: payload ?? .null, receivedAt: now))
        case ApprovalTrigger.kind:
            throw PerchError(
                .invalid,
                "wait \(wait.waitID) is a question to a person: `\(ProgramName.current) approvals answer \(wait.waitID)` "
                    + "answers it")
        case RunTrigger.kind:
            if let payload { return payload }
            let definition = try wait.definition.map { try JSONValue(parsingEnvelope: $0) } ?? .null
            let aim = try RunAim(json: definition)
            let runID = if case .id(let runID) = aim.selection { runID } else { "by-hand-\(wait.waitID)" }
            return try JSONValue(
                encoding: RunEvent(
                    dagID: aim.dagID, runID: runID, logicalDate: now, taskID: aim.taskID, mapIndex: aim.mapIndex,
                    state: aim.allowed.first ?? .success, endedAt: now))
        default:
            guard let payload else {
                throw PerchError(.invalid, "what is the event of a '\(wait.kind)' wait? Give it as the payload")
            }
            return payload
        }
    }
}
