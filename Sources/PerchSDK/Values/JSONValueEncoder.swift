// SPDX-License-Identifier: Apache-2.0

internal import Foundation

/// Codes a value as a `JSONValue`, without a text between: every wait that code begins is coded, before the task can sleep.
///
/// What it gives is what Foundation's coder writes and `JSONValue(parsing:)` reads again.
struct JSONValueEncoder: Encoder {
    let codingPath: [any CodingKey]
    var userInfo: [CodingUserInfoKey: Any] { [:] }
    fileprivate let place: Place

    /// The JSON form of a value.
    /// - Throws: `EncodingError` where the value says nothing.
    static func encode(_ value: some Encodable) throws -> JSONValue { try encode(value, at: []) }

    fileprivate static func encode(_ value: some Encodable, at path: [any CodingKey]) throws -> JSONValue {
        switch value {
        case let value as JSONValue: return value
        case let value as String: return .string(value)
        case let value as Date: return .string(Timestamp(value).description)
        // What Foundation has a form of its own for.
        case is Data, is URL, is Decimal: return try JSONValue(parsing: JSONText.encodeByFoundation(value))
        default: break
        }
        let place = Place()
        try value.encode(to: JSONValueEncoder(codingPath: path, place: place))
        guard let json = place.json else {
            throw EncodingError.invalidValue(
                value, .init(codingPath: path, debugDescription: "a \(type(of: value)) has coded nothing"))
        }
        return json
    }

    func container<Key: CodingKey>(keyedBy type: Key.Type) -> KeyedEncodingContainer<Key> {
        if place.members == nil { place.members = [:] }
        return KeyedEncodingContainer(Members(codingPath: codingPath, place: place))
    }

    func unkeyedContainer() -> any UnkeyedEncodingContainer {
        if place.elements == nil { place.elements = [] }
        return Elements(codingPath: codingPath, place: place)
    }

    func singleValueContainer() -> any SingleValueEncodingContainer { Single(codingPath: codingPath, place: place) }

    /// Where a value is gathered; containers of it may outlive the encoder.
    fileprivate final class Place {
        var members: [String: JSONValue]?
        var elements: [JSONValue]?
        var single: JSONValue?
        /// What is still being gathered inside of it, by member or by position.
        var nested: [(key: String?, index: Int, place: Place)] = []

        var json: JSONValue? {
            if var members {
                for (key, _, place) in nested { if let key { members[key] = place.json ?? .object([:]) } }
                return .object(members)
            }
            if var elements {
                for (_, index, place) in nested { elements[index] = place.json ?? .object([:]) }
                return .array(elements)
            }
            return single
        }

        func nest(at key: any CodingKey) -> Place {
            let place = Place()
            members?[key.stringValue] = .null
            nested.append((key.stringValue, 0, place))
            return place
        }

        func nestNext() -> Place {
            let place = Place()
            nested.append((nil, elements?.count ?? 0, place))
            elements?.append(.null)
            return place
        }
    }

    /// A number as its text is read.
    fileprivate static func number<Number: LosslessStringConvertible>(_ value: Number) throws -> JSONValue {
        let text = value.description
        return try JSONValue(parsing: text.hasSuffix(".0") ? String(text.dropLast(2)) : text)
    }

    fileprivate static func real<Real: BinaryFloatingPoint & LosslessStringConvertible>(
        _ value: Real
    ) throws -> JSONValue {
        if value.isFinite { return try number(value) }
        return .string(value.isNaN ? "NaN" : value < 0 ? "-Infinity" : "Infinity")
    }

    fileprivate static func integer<Number: FixedWidthInteger>(_ value: Number) throws -> JSONValue {
        if let whole = Int64(exactly: value) { return .integer(whole) }
        return try number(value)
    }
}

private struct Members<Key: CodingKey>: KeyedEncodingContainerProtocol {
    let codingPath: [any CodingKey]
    let place: JSONValueEncoder.Place

    private func set(_ value: JSONValue, _ key: Key) { place.members?[key.stringValue] = value }

    func encodeNil(forKey key: Key) throws { set(.null, key) }
    func encode(_ value: Bool, forKey key: Key) throws { set(.bool(value), key) }
    func encode(_ value: String, forKey key: Key) throws { set(.string(value), key) }
    func encode(_ value: Double, forKey key: Key) throws { set(try JSONValueEncoder.real(value), key) }
    func encode(_ value: Float, forKey key: Key) throws { set(try JSONValueEncoder.real(value), key) }
    func encode(_ value: Int, forKey key: Key) throws { set(.integer(Int64(value)), key) }
    func encode(_ value: Int8, forKey key: Key) throws { set(.integer(Int64(value)), key) }
    func encode(_ value: Int16, forKey key: Key) throws { set(.integer(Int64(value)), key) }
    func encode(_ value: Int32, forKey key: Key) throws { set(.integer(Int64(value)), key) }
    func encode(_ value: Int64, forKey key: Key) throws { set(.integer(value), key) }
    func encode(_ value: Int128, forKey key: Key) throws { set(try JSONValueEncoder.integer(value), key) }
    func encode(_ value: UInt, forKey key: Key) throws { set(try JSONValueEncoder.integer(value), key) }
    func encode(_ value: UInt8, forKey key: Key) throws { set(.integer(Int64(value)), key) }
    func encode(_ value: UInt16, forKey key: Key) throws { set(.integer(Int64(value)), key) }
    func encode(_ value: UInt32, forKey key: Key) throws { set(.integer(Int64(value)), key) }
    func encode(_ value: UInt64, forKey key: Key) throws { set(try JSONValueEncoder.integer(value), key) }
    func encode(_ value: UInt128, forKey key: Key) throws { set(try JSONValueEncoder.integer(value), key) }
    func encode(_ value: some Encodable, forKey key: Key) throws {
        set(try JSONValueEncoder.encode(value, at: codingPath + [key]), key)
    }

    func nestedContainer<NestedKey: CodingKey>(
        keyedBy keyType: NestedKey.Type, forKey key: Key
    ) -> KeyedEncodingContainer<NestedKey> {
        superEncoder(forKey: key).container(keyedBy: keyType)
    }

    func nestedUnkeyedContainer(forKey key: Key) -> any UnkeyedEncodingContainer {
        superEncoder(forKey: key).unkeyedContainer()
    }

    func superEncoder() -> any Encoder { encoder(at: PlaceKey(stringValue: "super")) }
    func superEncoder(forKey key: Key) -> any Encoder { encoder(at: key) }

    private func encoder(at key: any CodingKey) -> any Encoder {
        JSONValueEncoder(codingPath: codingPath + [key], place: place.nest(at: key))
    }
}

private struct Elements: UnkeyedEncodingContainer {
    let codingPath: [any CodingKey]
    let place: JSONValueEncoder.Place

    var count: Int { place.elements?.count ?? 0 }

    private func add(_ value: JSONValue) { place.elements?.append(value) }

    func encodeNil() throws { add(.null) }
    func encode(_ value: Bool) throws { add(.bool(value)) }
    func encode(_ value: String) throws { add(.string(value)) }
    func encode(_ value: Double) throws { add(try JSONValueEncoder.real(value)) }
    func encode(_ value: Float) throws { add(try JSONValueEncoder.real(value)) }
    func encode(_ value: Int) throws { add(.integer(Int64(value))) }
    func encode(_ value: Int8) throws { add(.integer(Int64(value))) }
    func encode(_ value: Int16) throws { add(.integer(Int64(value))) }
    func encode(_ value: Int32) throws { add(.integer(Int64(value))) }
    func encode(_ value: Int64) throws { add(.integer(value)) }
    func encode(_ value: Int128) throws { add(try JSONValueEncoder.integer(value)) }
    func encode(_ value: UInt) throws { add(try JSONValueEncoder.integer(value)) }
    func encode(_ value: UInt8) throws { add(.integer(Int64(value))) }
    func encode(_ value: UInt16) throws { add(.integer(Int64(value))) }
    func encode(_ value: UInt32) throws { add(.integer(Int64(value))) }
    func encode(_ value: UInt64) throws { add(try JSONValueEncoder.integer(value)) }
    func encode(_ value: UInt128) throws { add(try JSONValueEncoder.integer(value)) }
    func encode(_ value: some Encodable) throws {
        add(try JSONValueEncoder.encode(value, at: codingPath + [PlaceKey(intValue: count)]))
    }

    func nestedContainer<NestedKey: CodingKey>(keyedBy keyType: NestedKey.Type) -> KeyedEncodingContainer<NestedKey> {
        superEncoder().container(keyedBy: keyType)
    }

    func nestedUnkeyedContainer() -> any UnkeyedEncodingContainer { superEncoder().unkeyedContainer() }

    func superEncoder() -> any Encoder {
        JSONValueEncoder(codingPath: codingPath + [PlaceKey(intValue: count)], place: place.nestNext())
    }
}

private struct Single: SingleValueEncodingContainer {
    let codingPath: [any CodingKey]
    let place: JSONValueEncoder.Place

    func encodeNil() throws { place.single = .null }
    func encode(_ value: Bool) throws { place.single = .bool(value) }
    func encode(_ value: String) throws { place.single = .string(value) }
    func encode(_ value: Double) throws { place.single = try JSONValueEncoder.real(value) }
    func encode(_ value: Float) throws { place.single = try JSONValueEncoder.real(value) }
    func encode(_ value: Int) throws { place.single = .integer(Int64(value)) }
    func encode(_ value: Int8) throws { place.single = .integer(Int64(value)) }
    func encode(_ value: Int16) throws { place.single = .integer(Int64(value)) }
    func encode(_ value: Int32) throws { place.single = .integer(Int64(value)) }
    func encode(_ value: Int64) throws { place.single = .integer(value) }
    func encode(_ value: Int128) throws { place.single = try JSONValueEncoder.integer(value) }
    func encode(_ value: UInt) throws { place.single = try JSONValueEncoder.integer(value) }
    func encode(_ value: UInt8) throws { place.single = .integer(Int64(value)) }
    func encode(_ value: UInt16) throws { place.single = .integer(Int64(value)) }
    func encode(_ value: UInt32) throws { place.single = .integer(Int64(value)) }
    func encode(_ value: UInt64) throws { place.single = try JSONValueEncoder.integer(value) }
    func encode(_ value: UInt128) throws { place.single = try JSONValueEncoder.integer(value) }
    func encode(_ value: some Encodable) throws { place.single = try JSONValueEncoder.encode(value, at: codingPath) }
}

/// A key of a place that no type names.
private struct PlaceKey: CodingKey {
    let stringValue: String
    let intValue: Int?

    init(stringValue: String) {
        self.stringValue = stringValue
        intValue = nil
    }

    init(intValue: Int) {
        stringValue = "\(intValue)"
        self.intValue = intValue
    }
}
