// SPDX-License-Identifier: Apache-2.0

package import PerchSDK

/// What an attempt's code asks the engine for: a connection or a variable.
public struct LookUp: Sendable, Hashable {
    public var dispatchID: Int64
    /// Tells the questions of a dispatch apart.
    public var number: Int64
    package var name: SecretName

    /// A question from its parts.
    package init(dispatchID: Int64, number: Int64, name: SecretName) {
        self.dispatchID = dispatchID
        self.number = number
        self.name = name
    }
}

/// What the engine answers.
public struct LookUpAnswer: Sendable, Hashable {
    package enum Outcome: Sendable, Hashable {
        case found(FoundSecret)
        case absent
        case problem(code: String, message: String)
    }

    public var dispatchID: Int64
    public var number: Int64
    package var outcome: Outcome

    /// An answer from its parts.
    package init(dispatchID: Int64, number: Int64, outcome: Outcome) {
        self.dispatchID = dispatchID
        self.number = number
        self.outcome = outcome
    }
}

extension FrameWriter {
    mutating func fields(of question: LookUp) {
        field("dispatch_id", question.dispatchID)
        field("number", question.number)
        field("kind", question.name.kind.rawValue)
        field("name", question.name.name)
    }

    mutating func fields(of answer: LookUpAnswer) {
        field("dispatch_id", answer.dispatchID)
        field("number", answer.number)
        switch answer.outcome {
        case .found(.connection(let connection)): field("connection", connection.json)
        case .found(.variable(let variable)):
            field("variable", variable.value)
            field("is_secret", variable.isSecret)
        case .found(.secret(let text)): field("secret", text)
        case .absent: break
        case .problem(let code, let message):
            field("code", code)
            field("problem", message)
        }
    }
}

extension LookUp {
    init(_ fields: MessageFields) throws(BundleProtocolError) {
        guard let kind = SecretName.Kind(rawValue: try fields.string("kind")) else {
            throw fields.missing("kind", "'connection', 'variable' or 'secret'")
        }
        self.init(
            dispatchID: try fields.integer("dispatch_id"), number: try fields.integer("number"),
            name: SecretName(kind, try fields.string("name")))
    }
}

extension LookUpAnswer {
    init(_ fields: MessageFields) throws(BundleProtocolError) {
        dispatchID = try fields.integer("dispatch_id")
        number = try fields.integer("number")
        if let connection = fields.value("connection") {
            do throws(PerchError) {
                outcome = .found(.connection(try Connection(json: connection)))
            } catch {
                throw fields.missing("connection", "a connection: \(error.message)")
            }
        } else if let text = try fields.optionalString("variable") {
            outcome = .found(.variable(Variable(text, isSecret: try fields.bool("is_secret", default: true))))
        } else if let text = try fields.optionalString("secret") {
            outcome = .found(.secret(text))
        } else if let message = try fields.optionalString("problem") {
            let code = try fields.optionalString("code") ?? PerchError.Code.unavailable.rawValue
            outcome = .problem(code: code, message: message)
        } else {
            outcome = .absent
        }
    }
}
