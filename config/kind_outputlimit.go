package config

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// outputLimitFields is the number of words that describe one class: class, hard, soft, seconds.
const outputLimitFields = 4

// outputLimits is client-output-buffer-limit. An occurrence sets the classes it names and leaves the others.
var outputLimits = &kind{
	multi:  true,
	merges: true,
	parse: func(_ *directive, args []string, prev value) (value, error) {
		if len(args) == 0 || len(args)%outputLimitFields != 0 {
			return value{}, errors.New("Wrong number of arguments in buffer limit configuration.") //nolint:staticcheck // Redis' text
		}
		limits := prev.limits
		for group := range slices.Chunk(args, outputLimitFields) {
			class := limits.class(group[0])
			if class == nil {
				return value{}, errors.New("Invalid client class specified in buffer limit configuration.") //nolint:staticcheck // Redis' text
			}
			hard, err1 := parseMemory(group[1])
			soft, err2 := parseMemory(group[2])
			secs, err3 := parseInt(group[3])
			if err1 != nil || err2 != nil || err3 != nil || hard > math.MaxInt64 || soft > math.MaxInt64 || secs < 0 || secs > math.MaxInt32 {
				return value{}, errors.New("Error in hard, soft or soft_seconds setting in buffer limit configuration.") //nolint:staticcheck // Redis' text
			}
			*class = OutputLimit{Hard: int64(hard), Soft: int64(soft), SoftFor: time.Duration(secs) * time.Second}
		}
		return outputLimitsValue(limits), nil
	},
	lines: func(_ *directive, v value) []string {
		format := func(class string, l OutputLimit) string {
			return fmt.Sprintf("%s %s %s %d", class, formatMemory(uint64(l.Hard)), formatMemory(uint64(l.Soft)), int64(l.SoftFor/time.Second))
		}
		return []string{
			format("normal", v.limits.Normal), format("replica", v.limits.Replica), format("pubsub", v.limits.PubSub),
		}
	},
	allowed: func(*directive) string {
		return "allowed: normal|replica|pubsub, hard limit, soft limit, seconds; such as normal 256mb 64mb 60"
	},
}

// class finds a class by its name; nil if there is none. slave is replica's old name.
func (l *OutputLimits) class(name string) *OutputLimit {
	switch strings.ToLower(name) {
	case "normal":
		return &l.Normal
	case "replica", "slave":
		return &l.Replica
	case "pubsub":
		return &l.PubSub
	}
	return nil
}

func outputLimitsValue(l OutputLimits) value {
	format := func(class string, o OutputLimit) string {
		return fmt.Sprintf("%s %d %d %d", class, o.Hard, o.Soft, int64(o.SoftFor/time.Second))
	}
	// "slave" is what CONFIG GET of Redis 7.0.15 says.
	return value{
		limits: l,
		text:   strings.Join([]string{format("normal", l.Normal), format("slave", l.Replica), format("pubsub", l.PubSub)}, " "),
	}
}
