// SPDX-License-Identifier: Apache-2.0

import PerchMetastore
import PerchSDK

/// What a form says of a connection. What was given for the sealed parts is not sent back but for where nothing is secret.
struct ConnectionForm: Sendable {
    /// Its address; nil: it is given by its parts.
    private var uri: String?
    private var parts: [String: JSONValue] = [:]
    /// Whether parts that are left empty stay as they are.
    private(set) var keepsOthers = false
    private(set) var description = ""
    private(set) var faults: FormFaults = [:]

    /// - Parameter isNew: Whether there is nothing yet that could stay.
    static func read(_ form: FormFields, isNew: Bool) -> ConnectionForm {
        var read = ConnectionForm()
        read.description = form["description"] ?? ""
        read.keepsOthers = !isNew && form["others"] != "drop"
        read.uri = form.text("uri")
        for name in ["conn_type", "host", "login", "schema"] { read.parts[name] = form.text(name).map { .string($0) } }
        // Blanks may be a part of it.
        if let password = form["password"], !password.isEmpty { read.parts["password"] = .string(password) }
        if form.text("port") != nil {
            read.parts["port"] = form.number("port", in: 1...65_535).map { .integer(Int64($0)) }
            if read.parts["port"] == nil { read.faults["port"] = "a whole number from 1 to 65535, or nothing" }
        }
        if let text = form.text("extra") {
            let value = try? JSONValue(parsing: text)  // because the parser's words would repeat the text
            if case .object? = value {
                read.parts["extra"] = value
            } else {
                read.faults["extra"] = "a JSON object, or nothing"
            }
        }
        if read.uri != nil {
            if read.parts.keys.contains(where: { $0 != "conn_type" }) || !read.faults.isEmpty {
                read.faults["uri"] = "the address says all of it: leave the parts empty, or the address"
            }
        } else if read.parts["conn_type"] == nil {
            read.faults["conn_type"] = "what is reached, unless the address says so: postgres, http, smtp, …"
        }
        return read
    }

    /// Sets the connection as the form says.
    ///
    /// - Parameter row: As it stands; nil: it is to be made.
    func store(_ call: PageCall, _ id: String, over row: ConnectionRow?) async throws {
        if let uri {
            _ = try await call.setConnection(
                id, try Connection(parsing: uri), isNew: row == nil, description: description)
            return
        }
        var members: [String: JSONValue] = [:]
        if let row, keepsOthers {
            guard let unseal = call.surroundings.unseal else {
                throw PerchError(
                    .invalid,
                    "what is sealed of it cannot be opened here: give all of it, and have what is left empty taken away"
                )
            }
            let text = try unseal(row.value, SecretName(.connection, id))
            guard case .object(let old) = try Connection(parsing: text).json else { return }
            members = old
        }
        let connection = try Connection(json: .object(members.merging(parts) { $1 }))
        _ = try await call.setConnection(
            id, connection, over: keepsOthers ? row?.value : nil, isNew: row == nil, description: description)
    }

    // MARK: what is shown

    /// - Parameter row: As it stands; nil: it is to be made.
    static func fields(_ form: FormFields, _ row: ConnectionRow?, _ faults: FormFaults) -> HTML {
        func field(_ name: String, _ words: String, _ hint: String = "") -> FormField {
            FormField(name: name, words: words, hint: hint, fault: faults[name])
        }
        let hidden: HTML = " autocomplete=\"off\""
        let secret: HTML = " autocomplete=\"new-password\""
        let others: HTML =
            row == nil
            ? .empty
            : field("others", "What is left empty here", "Of what is sealed nothing is shown.").select(
                [FormField.Choice("keep", "stays as it is"), FormField.Choice("drop", "is taken away")],
                form["others"] ?? "keep")
        return field("conn_type", "Type", "postgres, http, smtp, …").line(form["conn_type"] ?? row?.type ?? "", hidden)
            + field("description", "What it is for").line(form["description"] ?? row?.description ?? "")
            + others + field("host", "Host").line(form["host"] ?? "", hidden)
            + field("port", "Port").line(form["port"] ?? "", type: "number", " min=\"1\" max=\"65535\"")
            + field("login", "Login").line(form["login"] ?? "", hidden)
            + field("password", "Password", "Never shown.").line("", type: "password", secret)
            + field("schema", "Schema", "The database, or the first part of a path.").line(form["schema"] ?? "", hidden)
            + field("extra", "Extra", "What else it takes, as a JSON object. Never shown.").area("", hidden)
            + field(
                "uri", "Or its address, instead of all these parts",
                "postgres://login:password@host:5432/database, its type too. Never shown."
            ).line("", type: "password", secret)
    }
}
