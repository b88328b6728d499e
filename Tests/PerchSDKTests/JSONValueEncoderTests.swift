// SPDX-License-Identifier: Apache-2.0

import Foundation
import PerchSDK
import Testing

@Suite("A value as a JSON value")
struct JSONValueEncoderTests {
    /// What Foundation's coder writes, read again.
    private func byText(_ value: some Encodable) throws -> JSONValue {
        try JSONValue(parsing: JSONText.encode(value))
    }

    private func expectSame(_ value: some Encodable & Sendable) throws {
        #expect(try JSONValue(encoding: value) == byText(value), "\(value)")
    }

    private struct Empty: Codable {}
    private struct Silent: Encodable { func encode(to encoder: any Encoder) throws {} }
    private enum Shape: Codable {
        case circle(radius: Double)
        case point
        case named(String, Int?)
    }
    private enum Colour: String, Codable { case red, green }
    private struct Everything: Codable {
        var flag = true
        var text = "tab\t, quote \", Ω, \u{1F426}, nul \u{0}"
        var small: Int8 = -128
        var large = UInt64.max
        var huge = Int128(Int64.max) + 1
        var half = 0.5
        var whole = 3.0
        var minusZero = -0.0
        var single: Float = 0.1
        var big = 1e20
        var tiny = Double.leastNonzeroMagnitude
        var nothing: Int?
        var something: Int? = 7
        var day = Date(timeIntervalSince1970: 1_767_225_600.25)
        var bytes = Data([0, 255, 16])
        var place: URL? = URL(string: "https://example.org/a?b=c")
        var price = Decimal(string: "12.340") ?? 0
        var list: [Double?] = [1, nil, 2.25]
        var shapes: [Shape] = [.circle(radius: 2), .point, .named("x", nil)]
        var byName = ["b": [Colour.red], "a": []]
        var byNumber = [2: "two", 1: "one"]
        var byColour: [Colour: Int] = [.green: 1]
        var json: JSONValue = .object(["k": .array([.null, .bool(false), .number(1.5)])])
        var empty = Empty()
        var endless = Double.infinity
        var none = Double.nan
        var span = Duration.milliseconds(1_500)
    }
    private class Base: Encodable {
        var name = "base"
        enum Keys: CodingKey { case name, list, inner }
        func encode(to encoder: any Encoder) throws {
            var container = encoder.container(keyedBy: Keys.self)
            try container.encode(name, forKey: .name)
            var list = container.nestedUnkeyedContainer(forKey: .list)
            try list.encode(1)
            var inner = list.nestedContainer(keyedBy: Keys.self)
            try inner.encode("deep", forKey: .inner)
            var deeper = list.nestedUnkeyedContainer()
            try deeper.encodeNil()
            _ = list.superEncoder()
        }
    }
    private final class Derived: Base {
        override func encode(to encoder: any Encoder) throws {
            var container = encoder.container(keyedBy: Keys.self)
            try container.encode("derived", forKey: .name)
            try super.encode(to: container.superEncoder())
        }
    }

    @Test("is what its text is read as, whatever it is made of")
    func isWhatItsTextIs() throws {
        try expectSame(Everything())
        try expectSame([Everything(), Everything()])
        #expect(try JSONValue(encoding: Base()) == byText(Base()))
        #expect(try JSONValue(encoding: Derived()) == byText(Derived()))
        try expectSame(Optional<Int>.none)
        try expectSame(Optional("text"))
        try expectSame([String]())
        try expectSame([String: Int]())
        try expectSame(Colour.red)
        try expectSame(true)
        try expectSame(Date(timeIntervalSince1970: 0))
        try expectSame(Data("abc".utf8))
        try expectSame(UInt.max)
        try expectSame(Int64.min)
    }

    @Test("has the numbers that its text has")
    func hasTheSameNumbers() throws {
        var seeded = Seeded(7)
        for _ in 0..<2_000 {
            let bits = UInt64.random(in: .min ... .max, using: &seeded)
            try expectSame([Double(bitPattern: bits)])
            try expectSame([Float(bitPattern: UInt32(truncatingIfNeeded: bits))])
            try expectSame([Int64(bitPattern: bits)])
            try expectSame([bits])
            try expectSame([Double(Int64(bitPattern: bits) >> 12)])
        }
    }

    @Test("is refused where the value says nothing, with its type")
    func isRefusedWhereItSaysNothing() {
        #expect {
            try JSONValue(encoding: Silent())
        } throws: { error in
            (error as? PerchError)?.code == .invalid && "\(error)".contains("Silent")
        }
    }

    @Test("names the place of what cannot be coded")
    func namesThePlace() {
        #expect {
            try JSONValue(encoding: ["a": [Silent()]])
        } throws: { error in
            "\(error)".contains("$.a[0]")
        }
    }
}
