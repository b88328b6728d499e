// SPDX-License-Identifier: Apache-2.0

import PerchSDK
import Testing

@testable import PerchAPIServer

@Suite("Passwords and secrets") struct PasswordTests {
    @Test("the right password fits, and no other; the same one is stored otherwise each time")
    func fits() throws {
        let hash = try PasswordHash("correct horse")
        let stored = try PasswordHash(stored: hash.text)
        #expect(try stored.fits("correct horse") && !stored.fits("correct horsf") && !stored.fits(""))
        #expect(try !stored.fits(String(repeating: "x", count: 5_000)))
        #expect(hash.text.hasPrefix("scrypt$15$8$3$") && !hash.text.contains("horse"))
        #expect(try PasswordHash("correct horse").text != hash.text)
    }

    @Test("the numbers of RFC 7914 come out")
    func vector() throws {
        // N = 16384, r = 8, p = 1, salt "SodiumChloride"; the first 32 of its 64 bytes.
        let stored = "scrypt$14$8$1$U29kaXVtQ2hsb3JpZGU=$cCO9yzr9c0hGHAbNgf046/2o+7qQT44+qbVD9lRdofI="
        #expect(try PasswordHash(stored: stored).fits("pleaseletmein"))
        #expect(try !PasswordHash(stored: stored).fits("pleaseletmeim"))
    }

    @Test(
        "what is too short or too long is no password",
        arguments: ["", "1234567", String(repeating: "x", count: 1_025)])
    func bad(password: String) {
        let error = #expect(throws: PerchError.self) { try PasswordHash(password) }
        #expect(error?.code == .invalid)
    }

    @Test(
        "what is stored in another way is damage, and no password",
        arguments: [
            "", "plain", "scrypt$15$8$3$AAAA", "scrypt$40$8$3$AAAA$AAAA", "md5$15$8$3$AAAA$AAAA", "scrypt$a$8$3$AA$AA",
        ])
    func damage(text: String) { #expect(throws: PerchError.self) { try PasswordHash(stored: text) } }

    @Test("secrets are long, differ, and are of what headers and cookies carry")
    func secrets() {
        let made = (0..<100).map { _ in AccessSecret.make("perch_") }
        #expect(Set(made).count == 100)
        for text in made {
            #expect(text.count == 49 && text.hasPrefix("perch_"))
            #expect(text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: ";") })
        }
        #expect(AccessSecret.digest("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    }

    @Test("many are checked at once, each for itself; who is unknown has no password that fits")
    func desk() async throws {
        let desk = PasswordDesk(cost: 10)
        let stored = try PasswordHash("correct horse", cost: 10).text
        let right = try await withThrowingTaskGroup(of: Int?.self) { group in
            for number in 0..<6 {
                group.addTask {
                    let isRight = try await desk.fits(
                        number.isMultiple(of: 2) ? "correct horse" : "wrong horse!", number < 4 ? stored : nil)
                    return isRight ? number : nil
                }
            }
            var right: Set<Int> = []
            for try await number in group { if let number { right.insert(number) } }
            return right
        }
        #expect(right == [0, 2])
    }
}
