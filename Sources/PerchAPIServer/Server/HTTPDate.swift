// SPDX-License-Identifier: Apache-2.0

import PerchSDK

/// Instants as HTTP writes them: `Sun, 06 Nov 1994 08:49:37 GMT`.
enum HTTPDate {
    private static let days = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"]
    private static let months = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ]

    static func text(of instant: Timestamp) -> String {
        // Years of four digits, which every clock has that is right.
        let text = Array(instant.description.utf8)
        guard text.count >= 19, let month = Int(String(decoding: text[5..<7], as: UTF8.self)) else {
            return "Thu, 01 Jan 1970 00:00:00 GMT"
        }
        let day = instant.microseconds / 86_400_000_000
        let weekday = days[Int((day % 7 + 7) % 7)]
        func part(_ range: Range<Int>) -> String { String(decoding: text[range], as: UTF8.self) }
        return "\(weekday), \(part(8..<10)) \(months[month - 1]) \(part(0..<4)) \(part(11..<19)) GMT"
    }
}
