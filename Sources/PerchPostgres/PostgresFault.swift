// SPDX-License-Identifier: Apache-2.0

internal import CPQ
internal import PerchSDK

/// What went wrong, and what that means for the transaction.
struct PostgresFault {
    var error: PerchError
    /// The same transaction may go through if it is made again: it met another one, or the server was not there.
    var mayPass: Bool
    /// What the server calls it; nil where it said nothing.
    private(set) var sqlState: String?

    /// What a result says.
    init(_ result: OpaquePointer, statement: String, _ address: PostgresAddress) {
        let state = cpq_state(result).map { String(cString: $0) } ?? ""
        let words = cpq_message(result).map { String(cString: $0) } ?? String(cString: PQresultErrorMessage(result))
        self = Self.fault(state: state, address.cleaned(words), statement: statement, address.name)
        sqlState = state
    }

    /// The connection is gone.
    init(lost words: String, _ address: PostgresAddress) {
        error = PerchError(.unavailable, "\(address.name): \(address.cleaned(words))")
        mayPass = true
    }

    init(error: PerchError, mayPass: Bool) {
        self.error = error
        self.mayPass = mayPass
    }

    private init(_ code: PerchError.Code, _ message: String, mayPass: Bool = false) {
        error = PerchError(code, message)
        self.mayPass = mayPass
    }

    private static func fault(state: String, _ words: String, statement: String, _ name: String) -> PostgresFault {
        let place = "in: \(statement.split(whereSeparator: \.isNewline).first ?? "")"
        switch state {
        case "40001", "40P01": return Self(.unavailable, "\(name): \(words) (\(state), \(place))", mayPass: true)
        case "55P03": return Self(.unavailable, "\(name): another process has been writing to the metastore: \(words)")
        case "25006": return Self(.unavailable, "\(name) only reads, as a standby does: name the primary")
        case "42501": return Self(.unavailable, "\(name): \(words): grant it to the user of the metastore's URL")
        case "26000", "42P05":
            return Self(
                .unavailable,
                "\(name): \(words): something between here and the server hands its connections about; "
                    + "set metastore.prepare to false, or let it keep prepared statements")
        case "0A000" where words.contains("cached plan"): return Self(.unavailable, "\(name): \(words)", mayPass: true)
        default: break
        }
        switch state.prefix(2) {
        case "08", "57": return Self(.unavailable, "\(name): \(words)", mayPass: true)
        case "53": return Self(.unavailable, "\(name): the server is out of something: \(words)")
        case "23": return Self(.conflict, "\(words) (\(place))")
        default: return Self(.metastore, "\(name): \(words) (\(state), \(place))")
        }
    }
}
