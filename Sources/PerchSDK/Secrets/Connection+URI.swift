// SPDX-License-Identifier: Apache-2.0

extension Connection {
    /// Reads a connection from its address, or from a JSON object.
    /// - Throws: `PerchError` (`invalid`) that says which part is wrong; it never repeats what may be a secret.
    public init(parsing text: String) throws(PerchError) {
        let text = text.trimmed
        if text.hasPrefix("{") {
            let value: JSONValue
            do { value = try JSONValue(parsing: text) } catch {
                throw PerchError(.invalid, "the connection begins with '{' but is no JSON object")
            }
            try self.init(json: value)
        } else {
            try self.init(uri: text)
        }
    }

    /// The connection as an address that `init(parsing:)` reads again.
    public var uri: String {
        var text = type.replacing("_", with: "-") + "://"
        if login != nil || password != nil {
            text += Self.escaped(login ?? "")
            if let password { text += ":" + Self.escaped(password) }
            text += "@"
        }
        if let host { text += host.contains(":") ? "[\(host)]" : Self.escaped(host) }
        if let port { text += ":\(port)" }
        if let schema { text += "/" + Self.escaped(schema) }
        guard !extra.isEmpty else { return text }
        let isFlat = extra.allSatisfy { name, value in
            if case .string = value { return name != Self.nested } else { return false }
        }
        let pairs: [(String, String)] =
            isFlat
            ? extra.sorted { $0.key < $1.key }.map { name, value in
                guard case .string(let text) = value else { return (name, value.text) }
                return (name, text)
            } : [(Self.nested, JSONValue.object(extra).text)]
        return text + "?" + pairs.map { "\(Self.escaped($0.0))=\(Self.escaped($0.1))" }.joined(separator: "&")
    }

    /// The name under which an address carries `extra` as JSON, where not all of it is texts.
    private static let nested = "__extra__"

    private init(uri: String) throws(PerchError) {
        guard let colon = uri.firstRange(of: "://") else {
            throw PerchError(
                .invalid, "a connection is an address such as postgres://user:password@host:5432/database, or JSON")
        }
        let scheme = uri[..<colon.lowerBound].lowercased()
        guard let first = scheme.utf8.first, (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(first),
            scheme.utf8.allSatisfy(Self.isSchemeByte)
        else {
            throw PerchError(
                .invalid, "the type before '://' begins with a letter and is of letters, digits, '+', '-', '_', '.'")
        }
        self.init(type: scheme.replacing("-", with: "_"))
        let rest = uri[colon.upperBound...]
        let place = rest.prefix { $0 != "?" }
        let authority = place.prefix { $0 != "/" }
        try read(authority: authority)
        let path = place.dropFirst(authority.count + 1)
        if !path.isEmpty { schema = try Self.plain(path, "the part behind the host") }
        if place.endIndex < rest.endIndex { try read(query: rest[rest.index(after: place.endIndex)...]) }
    }

    private mutating func read(authority: Substring) throws(PerchError) {
        var address = authority
        if let at = authority.lastIndex(of: "@") {
            let user = authority[..<at]
            address = authority[authority.index(after: at)...]
            let name = user.prefix { $0 != ":" }
            if !name.isEmpty { login = try Self.plain(name, "the login") }
            if name.endIndex < user.endIndex {
                password = try Self.plain(user[user.index(after: name.endIndex)...], "the password")
            }
        }
        if address.hasPrefix("[") {
            guard let end = address.firstIndex(of: "]") else {
                throw PerchError(.invalid, "the host begins with '[', but no ']' follows")
            }
            host = String(address[address.index(after: address.startIndex)..<end])
            address = address[address.index(after: end)...]
        } else {
            let name = address.prefix { $0 != ":" }
            if !name.isEmpty { host = try Self.plain(name, "the host") }
            address = address[name.endIndex...]
        }
        guard !address.isEmpty else { return }
        guard address.first == ":", let number = Int(address.dropFirst()), (1...65_535).contains(number) else {
            throw PerchError(
                .invalid,
                "what follows the host is no port from 1 to 65535; write '/', '@', ':' in a name or password as %2F, %40, %3A"
            )
        }
        port = number
    }

    private mutating func read(query: Substring) throws(PerchError) {
        for pair in query.split(separator: "&") {
            let name = pair.prefix { $0 != "=" }
            let value = name.endIndex < pair.endIndex ? pair[pair.index(after: name.endIndex)...] : ""
            let key = try Self.plain(name, "the name of a value behind '?'")
            let text = try Self.plain(value, "the value of '\(key.shown(40))'")
            guard key == Self.nested else {
                extra[key] = .string(text)
                continue
            }
            guard let parsed = try? JSONValue(parsing: text),  // because the parser's words would repeat the text
                case .object(let members) = parsed
            else {
                throw PerchError(.invalid, "the value of '\(Self.nested)' is a JSON object")
            }
            extra.merge(members) { $1 }
        }
    }

    private static func isSchemeByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"): true
        case UInt8(ascii: "+"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"): true
        default: false
        }
    }

    private static func isPlainByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"): true
        default: byte != UInt8(ascii: "+") && (isSchemeByte(byte) || byte == UInt8(ascii: "~"))
        }
    }

    static func escaped(_ text: String) -> String {
        let digits = Array("0123456789ABCDEF".utf8)
        var bytes: [UInt8] = []
        for byte in text.utf8 {
            if isPlainByte(byte) {
                bytes.append(byte)
            } else {
                bytes += [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    private static func plain(_ text: Substring, _ what: String) throws(PerchError) -> String {
        var bytes: [UInt8] = []
        var rest = text.utf8[...]
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%") else {
                bytes.append(byte)
                continue
            }
            guard let high = rest.popFirst().flatMap(digit), let low = rest.popFirst().flatMap(digit) else {
                throw PerchError(.invalid, "\(what) holds a '%' without two hexadecimal digits; '%' itself is %25")
            }
            bytes.append(high << 4 | low)
        }
        guard let result = String(validating: bytes, as: UTF8.self), !bytes.contains(0) else {
            throw PerchError(.invalid, "\(what) is not UTF-8 without zero bytes")
        }
        return result
    }

    private static func digit(_ byte: UInt8) -> UInt8? {
        Character(UnicodeScalar(byte)).hexDigitValue.map(UInt8.init)
    }
}

extension Connection {
    /// The connection as a JSON object, its secrets too: for what is exported or sealed, never for what is shown.
    public var json: JSONValue {
        var members: [String: JSONValue] = ["conn_type": .string(type)]
        members["host"] = host.map(JSONValue.string)
        members["port"] = port.map { .integer(Int64($0)) }
        members["login"] = login.map(JSONValue.string)
        members["password"] = password.map(JSONValue.string)
        members["schema"] = schema.map(JSONValue.string)
        if !extra.isEmpty { members["extra"] = .object(extra) }
        return .object(members)
    }

    /// Reads a connection from a JSON object.
    /// - Throws: `PerchError` (`invalid`) that names the member which is wrong, never its value.
    public init(json: JSONValue) throws(PerchError) {
        guard case .object(let members) = json else {
            throw PerchError(.invalid, "a connection is an address or a JSON object")
        }
        let known = ["conn_type", "host", "port", "login", "password", "schema", "extra"]
        for name in members.keys.sorted() where !known.contains(name) {
            let near = NearestName.of(name, among: known).map { "did you mean '\($0)'?" }
            throw PerchError(
                .invalid,
                "a connection has no member '\(name.shown(40))'; \(near ?? "there are \(known.joined(separator: ", "))")"
            )
        }
        func text(_ name: String) throws(PerchError) -> String? {
            switch members[name] {
            case nil, .null: return nil
            case .string(let text): return text
            default: throw PerchError(.invalid, "the member '\(name)' of a connection is a string")
            }
        }
        guard let type = try text("conn_type"), !type.isEmpty else {
            throw PerchError(.invalid, "a connection has a 'conn_type', such as postgres or http")
        }
        self.init(
            type: type, host: try text("host"), login: try text("login"), password: try text("password"),
            schema: try text("schema"))
        switch members["port"] {
        case nil, .null: break
        case .integer(let number) where (1...65_535).contains(number): port = Int(number)
        default: throw PerchError(.invalid, "the member 'port' of a connection is a number from 1 to 65535")
        }
        switch members["extra"] {
        case nil, .null: break
        case .object(let members): extra = members
        default: throw PerchError(.invalid, "the member 'extra' of a connection is an object")
        }
    }
}
