// SPDX-License-Identifier: Apache-2.0

import Crypto
import HTTPTypes
import PerchSDK

/// An event as CloudEvents 1.0 has it, as one document or with its attributes in the head of the request.
struct CloudEvent {
    let id: String
    let source: String
    let type: String
    let subject: String?
    /// Null where there is none. What is no JSON is a text in base64.
    let data: JSONValue
    /// Everything but the data.
    private let attributes: [String: JSONValue]

    private static let known = [
        "specversion", "id", "source", "type", "subject", "time", "datacontenttype", "dataschema",
    ]

    /// From a document.
    /// - Throws: `PerchError` (`invalid`) that names the attribute.
    init(_ document: JSONValue) throws {
        guard case .object(var members) = document else { throw Self.fault("it is no object") }
        let data = members.removeValue(forKey: "data")
        let encoded = members.removeValue(forKey: "data_base64")
        guard data == nil || encoded == nil else { throw Self.fault("it has both data and data_base64") }
        if let encoded {
            guard case .string(let text) = encoded, Base64.bytes(in: text) != nil else {
                throw Self.fault("its data_base64 is no text in base64")
            }
        }
        try self.init(members.filter { $0.value != .null }, data: data ?? encoded ?? .null)
    }

    /// From a head, and a body that is the data.
    /// - Throws: As above.
    init(_ fields: HTTPFields, _ body: UnsafeRawBufferPointer) throws {
        var members: [String: JSONValue] = [:]
        for field in fields {
            let name = field.name.canonicalName
            guard name.hasPrefix("ce-") else { continue }
            guard let text = Self.decoded(field.value) else {
                throw Self.fault("the header \(name) is not UTF-8, or wrongly encoded")
            }
            guard members.updateValue(.string(text), forKey: String(name.dropFirst(3))) == nil else {
                throw Self.fault("the header \(name) stands there twice")
            }
        }
        // In the head the type of the data is that of the body.
        if let type = fields[.contentType] { members["datacontenttype"] = .string(type) }
        try self.init(members, data: body.isEmpty ? .null : try JSONValue(parsing: body))
    }

    private init(_ attributes: [String: JSONValue], data: JSONValue) throws {
        func text(_ name: String) throws -> String? {
            guard let value = attributes[name] else { return nil }
            guard case .string(let text) = value, !text.isEmpty else { throw Self.fault("its \(name) is no text") }
            return text
        }
        func needed(_ name: String) throws -> String {
            guard let text = try text(name) else { throw Self.fault("it has no \(name)") }
            return text
        }
        let version = try needed("specversion")
        guard version == "1.0" else { throw Self.fault("its specversion is '\(version.shown(20))', and not 1.0") }
        (id, source, type) = (try needed("id"), try needed("source"), try needed("type"))
        subject = try text("subject")
        guard !source.contains(" ") else { throw Self.fault("its source is no URI: there is a space in it") }
        if let time = try text("time") {
            do {
                _ = try Timestamp(parsing: time)
            } catch {
                throw Self.fault("its time is no instant such as 2026-01-01T00:00:00Z")
            }
        }
        for (name, value) in attributes.sorted(by: { $0.key < $1.key }) where !Self.known.contains(name) {
            let isName = name.utf8.allSatisfy { (0x61...0x7A).contains($0) || (0x30...0x39).contains($0) }
            guard isName, !name.isEmpty else {
                throw Self.fault("'\(name.shown(40))' is no attribute's name: those are lower-case letters and digits")
            }
            switch value {
            case .string, .bool, .integer: break
            default: throw Self.fault("its \(name) is no text, whole number or truth value")
            }
        }
        for name in ["datacontenttype", "dataschema"] { _ = try text(name) }
        self.data = data
        self.attributes = attributes
    }

    /// What it is known by: source and id together, of which only both are unique.
    var identity: String {
        let text = "\(source) \(id)"
        guard text.utf8.count > 500 else { return text }
        let digest = SHA256.hash(data: Array(text.utf8))
        return "cloudevent-" + digest.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }

    /// Where it was made, as the extension Distributed Tracing has it; nil where it does not say so, or what it says is none.
    var traceparent: String? {
        guard case .string(let text)? = attributes["traceparent"] else { return nil }
        return TraceParent(text)?.text
    }

    /// The event with its attributes, as a document has it.
    var envelope: JSONValue {
        var members = attributes
        members["data"] = data
        return .object(members)
    }

    /// A value of a header, in which what is not visible ASCII is percent-encoded.
    private static func decoded(_ text: String) -> String? {
        var bytes: [UInt8] = []
        var rest = text.utf8[...]
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%") else {
                bytes.append(byte)
                continue
            }
            guard let high = rest.popFirst().flatMap(Hexadecimal.digit),
                let low = rest.popFirst().flatMap(Hexadecimal.digit)
            else { return nil }
            bytes.append(high << 4 | low)
        }
        return String(validating: bytes, as: UTF8.self)
    }

    private static func fault(_ what: String) -> PerchError { PerchError(.invalid, "this is no CloudEvent: \(what)") }
}

extension HTTPField.Name {
    static let ceSpecVersion = HTTPField.Name("ce-specversion")!
}
