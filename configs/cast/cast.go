// Package cast stands in for github.com/spf13/cast, the one library that viper
// needs beside its own and that would link html/template and text/template into
// the agent (docs/decisions/0005). It has the functions that viper calls, and is
// stricter on purpose: nothing is converted. A value of the wanted type is
// returned as it is; any other gives the zero value, as a failed conversion does
// there. The settings are checked and typed before viper sees them, so that no
// conversion is ever wanted.
package cast

import "time"

// as returns v where it is a T, and the zero value where it is not.
func as[T any](v any) T {
	t, _ := v.(T)
	return t
}

// ToBool returns v as a bool.
func ToBool(v any) bool { return as[bool](v) }

// ToString returns v as a string.
func ToString(v any) string { return as[string](v) }

// ToInt returns v as an int.
func ToInt(v any) int { return as[int](v) }

// ToInt32 returns v as an int32.
func ToInt32(v any) int32 { return as[int32](v) }

// ToInt64 returns v as an int64.
func ToInt64(v any) int64 { return as[int64](v) }

// ToUint returns v as a uint.
func ToUint(v any) uint { return as[uint](v) }

// ToUint8 returns v as a uint8.
func ToUint8(v any) uint8 { return as[uint8](v) }

// ToUint16 returns v as a uint16.
func ToUint16(v any) uint16 { return as[uint16](v) }

// ToUint32 returns v as a uint32.
func ToUint32(v any) uint32 { return as[uint32](v) }

// ToUint64 returns v as a uint64.
func ToUint64(v any) uint64 { return as[uint64](v) }

// ToFloat64 returns v as a float64.
func ToFloat64(v any) float64 { return as[float64](v) }

// ToTime returns v as a time.
func ToTime(v any) time.Time { return as[time.Time](v) }

// ToDuration returns v as a duration. A bare number is none.
func ToDuration(v any) time.Duration { return as[time.Duration](v) }

// ToBoolSlice returns v as a list of bools.
func ToBoolSlice(v any) []bool { return as[[]bool](v) }

// ToIntSlice returns v as a list of ints.
func ToIntSlice(v any) []int { return as[[]int](v) }

// ToUintSlice returns v as a list of uints.
func ToUintSlice(v any) []uint { return as[[]uint](v) }

// ToFloat64Slice returns v as a list of float64s.
func ToFloat64Slice(v any) []float64 { return as[[]float64](v) }

// ToDurationSlice returns v as a list of durations.
func ToDurationSlice(v any) []time.Duration { return as[[]time.Duration](v) }

// ToStringSlice returns v as a list of strings.
func ToStringSlice(v any) []string { return as[[]string](v) }

// ToStringMapString returns v as a map of strings.
func ToStringMapString(v any) map[string]string { return as[map[string]string](v) }

// ToStringMapStringSlice returns v as a map of lists.
func ToStringMapStringSlice(v any) map[string][]string { return as[map[string][]string](v) }

// ToStringMap returns v as a map. It is never nil: viper writes into it.
func ToStringMap(v any) map[string]any {
	if m := as[map[string]any](v); m != nil {
		return m
	}
	return map[string]any{}
}
